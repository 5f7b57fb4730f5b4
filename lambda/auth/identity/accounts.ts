import { randomInt } from 'node:crypto'
import { RegistryError } from '../../protocol/errors.ts'
import { ACCOUNTS, keys } from '../../store/keys.ts'
import type { AccountRow } from '../../store/records.ts'
import { ConditionFailed, type Json, type Table, type Write } from '../../store/table.ts'
import { parseGrants } from '../policy/policy.ts'
import { GRANT_FORMAT, type Grant, upgradeGrant } from '../policy/schema.ts'
import { FEDERATED } from './federated/login.ts'
import { generateKey, Passwords } from './passwords.ts'
import type { Subject } from './subject.ts'

/**
 * As other registries and htpasswd files have them: `Jenkins`, `ci+bot`, `john.doe@corp.com`. Compared exactly, case included.
 * No colon, which ends the name in Basic; no slash, which ends it in a path; no `*`, so a name is never a pattern; no `#`, which
 * separates the parts of table keys.
 */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/
/** Names of ways to log in and of everybody, in any case. */
const RESERVED = ['anonymous', 'authenticated', ...FEDERATED, 'token']
/** How much of a name that cannot be is repeated in a message. */
const MAX_SHOWN = 128
const MIN_PASSWORD_LENGTH = 8
const MAX_PASSWORD_LENGTH = 256
const MAX_FIRST_GENERATION = 2 ** 48 - 1
const HOUR = 60 * 60 * 1000

/** An account as it may be shown. Times are milliseconds since 1970. */
export interface Account {
  readonly name: string
  readonly kind: 'user' | 'robot'
  /** Of users. */
  readonly groups?: readonly string[]
  readonly admin?: boolean
  /** Of robots. */
  readonly grants?: readonly Grant[]
  readonly created: number
  readonly expires?: number
  readonly disabled: boolean
  readonly lastUsed?: number
}

export interface UserChange {
  readonly password?: string
  readonly groups?: readonly string[]
  readonly admin?: boolean
  readonly disabled?: boolean
}

interface AccountsParts {
  readonly table: Table
  readonly clock: () => number
  /** Absent: at the production cost, in this process. */
  readonly passwords?: Passwords
}

/** The users and robots of a registry. */
export class Accounts {
  readonly #table: Table
  readonly #clock: () => number
  readonly #passwords: Passwords
  readonly #listeners: ((name: string) => void)[] = []
  constructor({ table, clock, passwords = new Passwords() }: AccountsParts) {
    this.#table = table
    this.#clock = clock
    this.#passwords = passwords
  }

  /** Calls a listener with the name of each account that is added, changed or removed through this object. */
  onChange(listener: (name: string) => void): void {
    this.#listeners.push(listener)
  }

  row(name: string): Promise<AccountRow | undefined> {
    return NAME.test(name) ? this.#table.get<AccountRow>(keys.account(name)) : Promise.resolve(undefined)
  }

  /** The subject of an account, if it exists and may log in now. */
  async subject(kind: Account['kind'], name: string): Promise<Subject | undefined> {
    const row = await this.row(name)
    return row?.kind === kind ? subjectOf(row, this.#clock()) : undefined
  }

  /** Whether any account exists. */
  async some(): Promise<boolean> {
    return (await this.#table.query(ACCOUNTS, { limit: 1 })).length > 0
  }

  async list(kind: Account['kind']): Promise<Account[]> {
    const rows = await this.#table.query<AccountRow>(ACCOUNTS)
    return rows.filter(row => row.kind === kind).map(show)
  }

  /**
   * @param secret instead of a password: a bcrypt hash, as htpasswd writes it
   * @throws {RegistryError} BAD_REQUEST for a name or password that cannot be, or a name that is taken
   */
  async addUser(
    name: string,
    { password, secret, groups = [], admin = false }: UserChange & { readonly secret?: string },
  ): Promise<Account> {
    const kept = secret ?? (await this.#passwords.hash(checkPassword(password)))
    return this.#add({
      ...keys.account(checkName(name)),
      kind: 'user',
      secret: kept,
      groups: checkGroups(groups),
      admin,
    })
  }

  /** @returns the account with its key, which is not stored and cannot be shown again. @throws {RegistryError} BAD_REQUEST; {PolicyError} */
  async addRobot(
    name: string,
    { grants, expires }: { readonly grants: unknown; readonly expires?: number },
  ): Promise<Account & { readonly key: string }> {
    const { key, kept } = generateKey()
    const account = await this.#add({
      ...keys.account(checkName(name)),
      kind: 'robot',
      secret: kept,
      grants: parseGrants(grants) as readonly Json[],
      format: GRANT_FORMAT,
      ...this.#until(expires),
    })
    return { ...account, key }
  }

  /**
   * Creates a new key for a robot and revokes the previous one.
   * @param expires when the new key expires; absent: as the previous key
   * @throws {RegistryError} NOT_FOUND; BAD_REQUEST when the new key would have expired already
   */
  async renewKey(name: string, expires?: number): Promise<Account & { readonly key: string }> {
    const until = expires ?? (await this.row(name))?.expires
    const { key, kept } = generateKey()
    const change = { secret: kept, ...this.#until(until) }
    return { ...(await this.#change(name, 'robot', change, true)), key }
  }

  /** @throws {RegistryError} NOT_FOUND, BAD_REQUEST */
  async changeUser(name: string, { password, groups, admin, disabled }: UserChange): Promise<Account> {
    const change = {
      ...(password !== undefined && { secret: await this.#passwords.hash(checkPassword(password)) }),
      ...(groups !== undefined && { groups: checkGroups(groups) }),
      ...(admin !== undefined && { admin }),
      ...(disabled !== undefined && { disabled }),
    }
    return this.#change(name, 'user', change, password !== undefined || disabled === true)
  }

  /** @throws {RegistryError} NOT_FOUND */
  async remove(name: string, kind: Account['kind']): Promise<void> {
    await this.#write(name, kind, { delete: keys.account(name), if: { kind } })
  }

  /** Notes that an account was used, when it last was more than an hour ago. */
  async noteUse({ partition, sort, lastUsed = 0 }: AccountRow): Promise<void> {
    const now = this.#clock()
    if (lastUsed > now - HOUR) return
    const write = { update: { partition, sort }, change: { set: { lastUsed: now } }, if: 'present' } as const
    await this.#table.transact(write).catch(() => {}) // informational only: a failure must not fail the login
  }

  #until(expires: number | undefined): { expires?: number } {
    if (expires === undefined) return {}
    if (expires > this.#clock()) return { expires }
    const reason = 'its key would have expired already: say when it shall expire'
    throw new RegistryError('BAD_REQUEST', { detail: { reason } })
  }

  async #add(row: Omit<AccountRow, 'created' | 'generation'>): Promise<Account> {
    // A random start: tokens of a removed account with the same name must not be valid for this one.
    const generation = randomInt(MAX_FIRST_GENERATION)
    const account = { ...row, created: this.#clock(), generation } as AccountRow
    try {
      await this.#table.transact({ put: account, if: 'absent' })
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
      throw new RegistryError('BAD_REQUEST', { detail: { name: row.sort, reason: 'the name is taken' } })
    }
    this.#notify(row.sort)
    return show(account)
  }

  async #change(
    name: string,
    kind: Account['kind'],
    set: Partial<Omit<AccountRow, 'partition' | 'sort' | 'grants'>>,
    revoke: boolean,
  ): Promise<Account> {
    const change = { set: { ...set } as Record<string, Json>, add: { generation: revoke ? 1 : 0 } }
    await this.#write(name, kind, { update: keys.account(name), change, if: { kind } })
    return show((await this.row(name)) ?? unknown(kind, name))
  }

  /** Writes the row of an existing account. The name is checked first, because it becomes a table key. */
  async #write(name: string, kind: Account['kind'], write: Write): Promise<void> {
    if (!NAME.test(name)) unknown(kind, name)
    try {
      await this.#table.transact(write)
    } catch (error) {
      throw error instanceof ConditionFailed ? unknown(kind, name) : error
    } finally {
      this.#notify(name) // also after an error: the write may have been applied
    }
  }

  #notify(name: string): void {
    for (const listener of this.#listeners) listener(name)
  }
}

/** The subject of an account row, if it may log in now. */
export function subjectOf(row: AccountRow, now: number): Subject | undefined {
  if (row.disabled || (row.expires !== undefined && row.expires <= now)) return undefined
  const { sort: name, kind, groups = [], admin = false } = row
  return kind === 'user' ? { kind, name, groups, admin } : { kind, name, grants: grantsOf(row) }
}

function grantsOf({ grants = [], format }: AccountRow): Grant[] {
  return (grants as unknown as Grant[]).map(grant => upgradeGrant(grant, format))
}

function show(row: AccountRow): Account {
  const { sort: name, kind, groups = [], admin = false, created, expires, lastUsed } = row
  return {
    ...{ name, kind },
    ...(kind === 'user' ? { groups, admin } : { grants: grantsOf(row) }),
    created,
    ...(expires !== undefined && { expires }),
    disabled: row.disabled ?? false,
    ...(lastUsed !== undefined && { lastUsed }),
  }
}

function checkName(name: string): string {
  if (NAME.test(name) && !RESERVED.includes(name.toLowerCase())) return name
  const rule = 'a name must be 1 to 128 letters, digits and . _ - @ +, must begin with a letter or a digit'
  const reason = `${rule}, and must not be one of ${RESERVED.join(', ')}`
  throw new RegistryError('BAD_REQUEST', { detail: { name: name.slice(0, MAX_SHOWN), reason } })
}

function checkPassword(password = ''): string {
  const { length } = [...password]
  if (length >= MIN_PASSWORD_LENGTH && length <= MAX_PASSWORD_LENGTH) return password
  const reason = `a password must have ${MIN_PASSWORD_LENGTH} to ${MAX_PASSWORD_LENGTH} characters`
  throw new RegistryError('BAD_REQUEST', { detail: { reason } })
}

function checkGroups(groups: readonly string[]): readonly string[] {
  if (groups.length <= 50 && groups.every(group => NAME.test(group))) return groups
  throw new RegistryError('BAD_REQUEST', {
    detail: { groups, reason: 'at most 50 groups, named as accounts are' },
  })
}

function unknown(kind: string, name: string): never {
  throw new RegistryError('NOT_FOUND', { detail: { [kind]: name.slice(0, MAX_SHOWN) } })
}
