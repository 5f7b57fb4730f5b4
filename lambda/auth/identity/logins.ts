import { createHmac, randomBytes } from 'node:crypto'
import { RegistryError } from '../../protocol/errors.ts'
import type { AccountRow } from '../../store/records.ts'
import { Cache } from '../../util/cache.ts'
import type { TokenHolder } from '../tokens/tokens.ts'
import { type Accounts, subjectOf } from './accounts.ts'
import { FEDERATED, type FederatedLogin } from './federated/login.ts'
import type { LoginLimits } from './login-limits.ts'
import { networksOf } from './networks.ts'
import { type Passwords, verifyKey } from './passwords.ts'
import { ANONYMOUS, type Subject } from './subject.ts'

/** How long an answer about an account may be used again: what changes takes effect everywhere after so long. Milliseconds. */
export const CACHE_TTL_MS = 60_000
const MOST_REMEMBERED = 1_000

/** Somebody who has proven who he is, and how a token shall name him. */
export interface Identity {
  readonly subject: Subject
  readonly holder: TokenHolder
}

/** Whoever shows nothing. */
export const ANONYMOUS_IDENTITY: Identity = { subject: ANONYMOUS, holder: { subject: ANONYMOUS } }

/** Where a login arrives. */
export interface LoginContext {
  /** The client's. */
  readonly address: string
  /** The host by which the client knows the registry. */
  readonly registry: string
}

export interface NameAndPassword {
  readonly name: string
  readonly password: string
}

interface LoginsParts {
  readonly accounts: Accounts
  readonly passwords: Passwords
  readonly limits: LoginLimits
  readonly federated: readonly FederatedLogin[]
  readonly clock: () => number
}

/** Finds out who somebody is. */
export class Logins {
  readonly #parts: LoginsParts
  readonly #rows: Cache<AccountRow | undefined>
  /** Logins that were right. */
  readonly #proven: Cache<Identity>
  /** Logins that are under way or were wrong. They are apart, so that a flood of them pushes no right one out. */
  readonly #attempts: Cache<Identity>
  /** Of this process alone: what is remembered is not the password, nor anything to guess it by elsewhere. */
  readonly #pepper = randomBytes(32)

  constructor(parts: LoginsParts) {
    this.#parts = parts
    this.#rows = new Cache(parts.clock, { life: CACHE_TTL_MS, most: MOST_REMEMBERED })
    this.#proven = new Cache(parts.clock, { life: CACHE_TTL_MS, most: MOST_REMEMBERED })
    this.#attempts = new Cache(parts.clock, { life: CACHE_TTL_MS, most: MOST_REMEMBERED, keeps: isRefusal })
    parts.accounts.onChange(name => this.#forget(name))
  }

  /**
   * By name and password. Remembered for a minute, for clients that send both with every request; also when they are wrong, lest a
   * client that goes on with an old key locks out those who have the new one.
   * @throws {RegistryError} UNAUTHORIZED, TOOMANYREQUESTS; UNAVAILABLE where somebody else must say and does not answer
   */
  async byPassword({ name, password }: NameAndPassword, context: LoginContext): Promise<Identity> {
    const digest = this.#digest(name) + this.#digest(`${context.registry}\0${name}\0${password}`)
    const known = this.#proven.known(digest)
    if (known) return known
    const proven = await this.#attempts.get(digest, () => this.#prove(name, password, context))
    this.#attempts.forget(digest)
    return this.#proven.get(digest, async () => proven)
  }

  /** The one that a token names, as he is by now. @throws {RegistryError} UNAUTHORIZED when the account is gone or was revoked */
  async byHolder(holder: TokenHolder): Promise<Subject> {
    if ('subject' in holder) return holder.subject
    const { account, generation } = holder
    const read = () => this.#parts.accounts.row(account)
    const known = await this.#rows.get(account, read)
    // Who logs in again after a change has a newer token than what is remembered.
    const row = known?.generation === generation ? known : await this.#rows.refresh(account, read)
    const subject = row?.generation === generation && subjectOf(row, this.#parts.clock())
    if (!subject) throw refused('the account is not what it was')
    return subject
  }

  /** Forgets the cached row of an account and every login with its name, right or wrong. */
  #forget(name: string): void {
    this.#rows.forget(name)
    this.#proven.forgetPrefix(this.#digest(name))
    this.#attempts.forgetPrefix(this.#digest(name))
  }

  #digest(text: string): string {
    return createHmac('sha256', this.#pepper).update(text).digest('base64')
  }

  #prove(name: string, password: string, { address, registry }: LoginContext): Promise<Identity> {
    const { limits, federated } = this.#parts
    const other = federated.find(({ username }) => username === name)
    const work = async () => {
      if (!other && FEDERATED.includes(name)) throw refused(`logins as ${name} are not on here`)
      if (!other) return this.#proveAccount(name, password, address)
      const subject = await other.login(password, registry)
      return { subject, holder: { subject } }
    }
    return limits.attempt({ name, address }, work, isRefusal)
  }

  async #proveAccount(name: string, password: string, address: string): Promise<Identity> {
    const { accounts, passwords, clock } = this.#parts
    const row = await accounts.row(name)
    const isRight =
      (row?.kind === 'robot' && verifyKey(password, row.secret)) ||
      (await passwords.verify(password, row?.kind === 'user' ? row.secret : undefined, clientOf(address)))
    if (!row || !isRight) throw refused('name or password is wrong')
    const subject = subjectOf(row, clock())
    if (!subject) throw refused(row.disabled ? 'the account is disabled' : 'the key has expired')
    await accounts.noteUse(row)
    return { subject, holder: { account: name, generation: row.generation } }
  }
}

/** Who shares a place in the queue of password hashes. */
function clientOf(address: string): string {
  const { narrow, wide = narrow } = networksOf(address)
  return wide
}

function isRefusal(error: unknown): boolean {
  return error instanceof RegistryError && error.code === 'UNAUTHORIZED'
}

function refused(reason: string): RegistryError {
  return new RegistryError('UNAUTHORIZED', { detail: { reason } })
}
