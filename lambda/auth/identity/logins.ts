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

/** How long accounts and logins are cached. A change of an account takes effect in other processes after this time. */
export const CACHE_TTL_MS = 60_000
/** Maximum number of entries of each cache. */
const MAX_CACHED = 1_000

/** An authenticated subject, and the holder that its tokens name. */
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
  /** The host name that the client used to reach the registry. */
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
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** A login with a password that is being verified. */
interface Verification {
  readonly name: string
  /** Whether the account was changed since the verification began. Its result must then not be cached. */
  isStale: boolean
}

/** Authenticates names, passwords and token holders. */
export class Logins {
  readonly #parts: LoginsParts
  readonly #rows: Cache<AccountRow | undefined>
  /** Successful logins with a password. */
  readonly #verified: Cache<Identity>
  /** Logins in progress and failed logins. A separate cache, so that a flood of them evicts no successful login. */
  readonly #attempts: Cache<Identity>
  readonly #running = new Set<Verification>()
  /** Random for each process, so that cache keys reveal no password and cannot be tested against guesses elsewhere. */
  readonly #pepper = randomBytes(32)

  constructor(parts: LoginsParts) {
    this.#parts = parts
    this.#rows = new Cache(parts.clock, { ttl: CACHE_TTL_MS, maxEntries: MAX_CACHED })
    this.#verified = new Cache(parts.clock, { ttl: CACHE_TTL_MS, maxEntries: MAX_CACHED })
    this.#attempts = new Cache(parts.clock, {
      ttl: CACHE_TTL_MS,
      maxEntries: MAX_CACHED,
      cachesError: isRefusal,
    })
    parts.accounts.onChange(name => this.#invalidate(name))
  }

  /**
   * Authenticates a name and a password. The result is cached for a minute, since some clients send both with every
   * request. Failures are cached too, so that a client that repeats an old key does not use up the limit of the clients
   * that have the new one.
   * @throws {RegistryError} UNAUTHORIZED, TOOMANYREQUESTS; UNAVAILABLE if a federated login provider does not respond
   */
  async byPassword({ name, password }: NameAndPassword, context: LoginContext): Promise<Identity> {
    const digest = this.#digest(name) + this.#digest(`${context.registry}\0${name}\0${password}`)
    const cached = this.#verified.peek(digest)
    if (cached) return cached
    const verification: Verification = { name, isStale: false }
    this.#running.add(verification)
    try {
      const identity = await this.#attempts.get(digest, () => this.#verify(name, password, context))
      if (verification.isStale) return identity
      this.#attempts.forget(digest)
      return await this.#verified.get(digest, async () => identity)
    } finally {
      this.#running.delete(verification)
    }
  }

  /**
   * The current subject of a token's holder.
   * @throws {RegistryError} UNAUTHORIZED if the account does not exist or its tokens were revoked
   */
  async byHolder(holder: TokenHolder): Promise<Subject> {
    if ('subject' in holder) return holder.subject
    const { account, generation } = holder
    const read = () => this.#parts.accounts.row(account)
    const cached = await this.#rows.get(account, read)
    // A token issued after a change of the account has a newer generation than a row cached before it.
    const row = cached?.generation === generation ? cached : await this.#rows.refresh(account, read)
    const subject = row?.generation === generation && subjectOf(row, this.#parts.clock())
    if (!subject) throw refused('the account has changed: log in again')
    return subject
  }

  /** Removes an account and its logins from the caches. The results of verifications in progress will not be cached. */
  #invalidate(name: string): void {
    this.#rows.forget(name)
    this.#verified.forgetPrefix(this.#digest(name))
    this.#attempts.forgetPrefix(this.#digest(name))
    for (const verification of this.#running) if (verification.name === name) verification.isStale = true
  }

  #digest(text: string): string {
    return createHmac('sha256', this.#pepper).update(text).digest('base64')
  }

  #verify(name: string, password: string, { address, registry }: LoginContext): Promise<Identity> {
    const { limits, federated } = this.#parts
    const provider = federated.find(({ username }) => username === name)
    const work = async () => {
      if (!provider && FEDERATED.includes(name)) throw refused(`logins as ${name} are not enabled`)
      if (!provider) return this.#verifyAccount(name, password, address)
      const subject = await provider.login(password, registry)
      return { subject, holder: { subject } }
    }
    return limits.attempt({ name, address }, work, isRefusal)
  }

  async #verifyAccount(name: string, password: string, address: string): Promise<Identity> {
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

/**
 * The network that counts as one client in the queue of password hashes: the widest, so that an IPv6 site has one share
 * of it.
 */
function clientOf(address: string): string {
  const { narrow, wide = narrow } = networksOf(address)
  return wide
}

/** Whether an error means wrong credentials, and not a fault. */
function isRefusal(error: unknown): boolean {
  return error instanceof RegistryError && error.code === 'UNAUTHORIZED'
}

function refused(reason: string): RegistryError {
  return new RegistryError('UNAUTHORIZED', { detail: { reason } })
}
