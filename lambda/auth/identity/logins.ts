import { createHmac, randomBytes } from 'node:crypto'
import { RegistryError } from '../../protocol/errors.ts'
import type { AccountRow } from '../../store/records.ts'
import { Cache } from '../../util/cache.ts'
import type { TokenHolder } from '../tokens/tokens.ts'
import { subjectOf } from './account-row.ts'
import type { Accounts } from './accounts.ts'
import { FEDERATED, type FederatedLogin } from './federated/login.ts'
import type { LoginLimits } from './login-limits.ts'
import { networksOf } from './networks.ts'
import { type Passwords, verifyKey } from './passwords.ts'
import { ANONYMOUS, type Subject } from './subject.ts'

/** How long accounts and logins are cached: a change takes effect in every process after this time. Milliseconds. */
export const CACHE_TTL_MS = 60_000
const MAX_CACHED = 1_000

/** An authenticated subject, and how a token names it. */
export interface Identity {
  readonly subject: Subject
  readonly holder: TokenHolder
}

/** The identity of a request without credentials. */
export const ANONYMOUS_IDENTITY: Identity = { subject: ANONYMOUS, holder: { subject: ANONYMOUS } }

/** The network address and the registry host of a login. */
export interface LoginContext {
  /** The IP address of the client. */
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

/** Authenticates names, passwords and token holders. */
export class Logins {
  readonly #parts: LoginsParts
  readonly #rows: Cache<AccountRow | undefined>
  /** Successful logins. */
  readonly #proven: Cache<Identity>
  /** Logins in progress and failed logins. They have a cache of their own, so that a flood of them evicts no successful login. */
  readonly #attempts: Cache<Identity>
  /** Random for each process. Cache keys hold no password, and nothing that helps to guess it outside this process. */
  readonly #pepper = randomBytes(32)

  constructor(parts: LoginsParts) {
    this.#parts = parts
    this.#rows = new Cache(parts.clock, { ttl: CACHE_TTL_MS, maxEntries: MAX_CACHED })
    this.#proven = new Cache(parts.clock, { ttl: CACHE_TTL_MS, maxEntries: MAX_CACHED })
    this.#attempts = new Cache(parts.clock, {
      ttl: CACHE_TTL_MS,
      maxEntries: MAX_CACHED,
      cachesError: isRefusal,
    })
    parts.accounts.onChange(name => this.#forget(name))
  }

  /**
   * Authenticates a name and a password. The result is cached for a minute, since some clients send both with every request. Failures
   * are cached too, so that a client which keeps sending an old key does not lock out the clients with the new one.
   * @throws {RegistryError} UNAUTHORIZED, TOOMANYREQUESTS; UNAVAILABLE when a federated login provider does not answer
   */
  async byPassword({ name, password }: NameAndPassword, context: LoginContext): Promise<Identity> {
    const digest = this.#digest(name) + this.#digest(`${context.registry}\0${name}\0${password}`)
    const known = this.#proven.peek(digest)
    if (known) return known
    const proven = await this.#attempts.get(digest, () => this.#prove(name, password, context))
    this.#attempts.forget(digest)
    return this.#proven.get(digest, async () => proven)
  }

  /** The current subject of a token's holder. @throws {RegistryError} UNAUTHORIZED when the account is gone or was revoked */
  async byHolder(holder: TokenHolder): Promise<Subject> {
    if ('subject' in holder) return holder.subject
    const { account, generation } = holder
    const read = () => this.#parts.accounts.row(account)
    const known = await this.#rows.get(account, read)
    // After a change of the account a new token has a newer generation than the cached row.
    const row = known?.generation === generation ? known : await this.#rows.refresh(account, read)
    const subject = row?.generation === generation && subjectOf(row, this.#parts.clock())
    if (!subject) throw refused('the account has changed: log in again')
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
      if (!other && FEDERATED.includes(name)) throw refused(`logins as ${name} are not enabled`)
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

/** The key by which clients share the queue of password hashes. */
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
