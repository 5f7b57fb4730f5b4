import { randomInt } from 'node:crypto'
import { RegistryError } from '../../protocol/errors.ts'
import { ACCOUNTS, keys } from '../../store/keys.ts'
import type { AccountRow } from '../../store/records.ts'
import { ConditionFailed, type Json, type Table, type Write } from '../../store/table.ts'
import { parseGrants } from '../policy/policy.ts'
import { GRANT_FORMAT } from '../policy/schema.ts'
import { checkGroups, checkName, checkPassword, excerptOf, isAccountName } from './account-input.ts'
import { type Account, accountOf, subjectOf } from './account-row.ts'
import { generateKey, Passwords } from './passwords.ts'
import type { Subject } from './subject.ts'

/** Exclusive upper bound of the generation of a new account. `randomInt` accepts no larger one. */
const MAX_FIRST_GENERATION = 2 ** 48 - 1
/** Minimum time between two updates of `lastUsed` of an account. */
const LAST_USED_INTERVAL_MS = 60 * 60 * 1000

/** The fields of a user to set. An absent field is not changed. */
export interface UserChange {
  readonly password?: string
  readonly groups?: readonly string[]
  readonly admin?: boolean
  readonly disabled?: boolean
}

interface AccountsParts {
  readonly table: Table
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Hashes the passwords of users. Absent: at the production cost, in this process. */
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

  /**
   * Registers a listener. It is called with the name of each account that is added, changed or removed through this
   * object.
   */
  onChange(listener: (name: string) => void): void {
    this.#listeners.push(listener)
  }

  /** The stored row of an account, which contains its secret. */
  row(name: string): Promise<AccountRow | undefined> {
    return isAccountName(name) ? this.#table.get<AccountRow>(keys.account(name)) : Promise.resolve(undefined)
  }

  /** @returns undefined if the account does not exist or may not log in at this time */
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
    return rows.filter(row => row.kind === kind).map(accountOf)
  }

  /**
   * @param secret replaces `password`: a bcrypt hash, as htpasswd writes it. The caller has validated it.
   * @throws {RegistryError} BAD_REQUEST for an invalid name, password or group, and for a name that is taken
   */
  async addUser(
    name: string,
    { password, secret, groups = [], admin = false }: UserChange & { readonly secret?: string },
  ): Promise<Account> {
    return this.#add({
      ...keys.account(checkName(name)),
      kind: 'user',
      secret: secret ?? (await this.#passwords.hash(checkPassword(password))),
      groups: checkGroups(groups),
      admin,
    })
  }

  /**
   * @param grants validated here, as they come from a request
   * @param expires milliseconds since 1970; absent: the key does not expire
   * @returns the account with its key. Only a hash of the key is stored, so it cannot be shown again.
   * @throws {RegistryError} BAD_REQUEST for an invalid name, a name that is taken, or an expiry in the past
   * @throws {PolicyError} for invalid grants
   */
  async addRobot(
    name: string,
    { grants, expires }: { readonly grants: unknown; readonly expires?: number },
  ): Promise<Account & { readonly key: string }> {
    const { key, hash } = generateKey()
    const account = await this.#add({
      ...keys.account(checkName(name)),
      kind: 'robot',
      secret: hash,
      grants: parseGrants(grants) as readonly Json[],
      format: GRANT_FORMAT,
      ...this.#checkExpiry(expires),
    })
    return { ...account, key }
  }

  /**
   * Creates a new key for a robot and revokes the previous one.
   * @param expires when the new key expires, in milliseconds since 1970; absent: when the previous key expires
   * @returns the account with its new key, which cannot be shown again
   * @throws {RegistryError} NOT_FOUND; BAD_REQUEST for an expiry in the past
   */
  async renewKey(name: string, expires?: number): Promise<Account & { readonly key: string }> {
    const newExpiry = expires ?? (await this.row(name))?.expires
    const { key, hash } = generateKey()
    const change = { secret: hash, ...this.#checkExpiry(newExpiry) }
    return { ...(await this.#change(name, 'robot', change, true)), key }
  }

  /**
   * Changes a user. A new password and disabling revoke all tokens of the user.
   * @throws {RegistryError} NOT_FOUND; BAD_REQUEST for an invalid password or group
   */
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

  /** Updates `lastUsed` of an account if it is more than an hour ago. */
  async noteUse({ partition, sort, lastUsed = 0 }: AccountRow): Promise<void> {
    const now = this.#clock()
    if (lastUsed > now - LAST_USED_INTERVAL_MS) return
    const write = { update: { partition, sort }, change: { set: { lastUsed: now } }, if: 'present' } as const
    await this.#table.transact(write).catch(() => {}) // informational only: a failure must not fail the login
  }

  #checkExpiry(expires: number | undefined): { expires?: number } {
    if (expires === undefined) return {}
    if (expires > this.#clock()) return { expires }
    const reason = 'the key would have expired already: its expiry must be in the future'
    throw new RegistryError('BAD_REQUEST', { detail: { reason } })
  }

  async #add(row: Omit<AccountRow, 'created' | 'generation'>): Promise<Account> {
    // Generations begin at a random number, so that tokens of a removed account are not valid for a new one with its
    // name.
    const generation = randomInt(MAX_FIRST_GENERATION)
    const account = { ...row, created: this.#clock(), generation } as AccountRow
    try {
      await this.#table.transact({ put: account, if: 'absent' })
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
      throw new RegistryError('BAD_REQUEST', { detail: { name: row.sort, reason: 'the name is taken' } })
    }
    this.#notify(row.sort)
    return accountOf(account)
  }

  async #change(
    name: string,
    kind: Account['kind'],
    set: Partial<Omit<AccountRow, 'partition' | 'sort' | 'grants'>>,
    revoke: boolean,
  ): Promise<Account> {
    const change = { set: { ...set } as Record<string, Json>, add: { generation: revoke ? 1 : 0 } }
    await this.#write(name, kind, { update: keys.account(name), change, if: { kind } })
    const row = await this.row(name)
    if (!row) throw notFound(kind, name)
    return accountOf(row)
  }

  /** Writes the row of an existing account. The name is checked first, because it becomes a table key. */
  async #write(name: string, kind: Account['kind'], write: Write): Promise<void> {
    if (!isAccountName(name)) throw notFound(kind, name)
    try {
      await this.#table.transact(write)
    } catch (error) {
      throw error instanceof ConditionFailed ? notFound(kind, name) : error
    } finally {
      this.#notify(name) // also after an error: the write may have been applied
    }
  }

  #notify(name: string): void {
    for (const listener of this.#listeners) listener(name)
  }
}

function notFound(kind: string, name: string): RegistryError {
  return new RegistryError('NOT_FOUND', { detail: { [kind]: excerptOf(name) } })
}
