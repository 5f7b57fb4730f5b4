import { randomBytes } from 'node:crypto'
import type { HttpRequest } from '../../http/message.ts'
import { RegistryError } from '../../protocol/errors.ts'
import type { Scope } from '../../protocol/scope.ts'
import { StorageFull } from '../../store/blobs.ts'
import { keys } from '../../store/keys.ts'
import type { RefreshRow } from '../../store/records.ts'
import type { Key, Table, Write } from '../../store/table.ts'
import { parseAuthorization } from '../identity/authorization.ts'
import { loginContext, serviceName } from '../identity/login-context.ts'
import { ANONYMOUS_IDENTITY, type Identity, type Logins, type NameAndPassword } from '../identity/logins.ts'
import { hashKey } from '../identity/passwords.ts'
import type { Subject } from '../identity/subject.ts'
import type { Policies } from '../policy/policies.ts'
import { allowedForSomeTag, type Policy } from '../policy/policy.ts'
import type { Right } from '../policy/schema.ts'
import type { Keyring } from './keyring.ts'
import { issueToken, TOKEN_LIFETIME } from './tokens.ts'

/** How long a login can be renewed without a password. Milliseconds. */
const REFRESH_LIFE = 90 * 24 * 60 * 60 * 1000
/** How many rows behind that of a new refresh token are looked at, and removed if they have expired. */
const SWEPT = 5

/**
 * Characters of all scopes in a token. API Gateway takes no more than 10,240 bytes of headers, and a token is a third longer than what is in
 * it, which may be 2,500 bytes of claims besides.
 */
const MOST_SCOPES = 3_000

export interface IssuedToken {
  readonly token: string
  /** With which the login can be renewed. */
  readonly refresh?: string
  /** Milliseconds since 1970. */
  readonly issued: number
  /** Seconds. */
  readonly expiresIn: number
}

interface TokenServiceParts {
  readonly table: Table
  readonly logins: Logins
  readonly policies: Policies
  readonly keyring: () => Keyring
  readonly clock: () => number
}

/** What a scope's word wants of the policy. */
const WANTED: Readonly<Record<string, Right>> = { pull: 'pull', push: 'push-content', delete: 'delete' }

/** Gives out tokens. Of what is asked for, a token is for what the policy allows, which may be nothing. */
export class TokenService {
  readonly #parts: TokenServiceParts
  constructor(parts: TokenServiceParts) {
    this.#parts = parts
  }

  /** By the Authorization header; without one the token is anybody's. @throws {RegistryError} UNAUTHORIZED, TOOMANYREQUESTS */
  async byBasic(request: HttpRequest, scopes: readonly Scope[], wantsRefresh: boolean): Promise<IssuedToken> {
    try {
      const authorization = parseAuthorization(request.headers.authorization)
      switch (authorization.scheme) {
        case 'none':
          return await this.#issue(request, ANONYMOUS_IDENTITY, scopes, false)
        case 'basic':
          return await this.byPassword(request, authorization.login, scopes, wantsRefresh)
        case 'bearer':
          throw new RegistryError('UNAUTHORIZED')
      }
    } catch (error) {
      throw wrong(error, request)
    }
  }

  /** @throws {RegistryError} UNAUTHORIZED, TOOMANYREQUESTS */
  async byPassword(
    request: HttpRequest,
    login: NameAndPassword,
    scopes: readonly Scope[],
    wantsRefresh: boolean,
  ): Promise<IssuedToken> {
    const proven = await this.#parts.logins.byPassword(login, loginContext(request))
    return this.#issue(request, proven, scopes, wantsRefresh)
  }

  /** @throws {RegistryError} UNAUTHORIZED for a token that is none, is old, or was revoked with its account */
  async byRefresh(request: HttpRequest, refresh: string, scopes: readonly Scope[]): Promise<IssuedToken> {
    const { table, logins, clock } = this.#parts
    const row = await table.get<RefreshRow>(keys.refresh(hashKey(refresh)))
    if (!row || row.expires <= clock())
      throw new RegistryError('UNAUTHORIZED', { detail: { reason: 'the refresh token is not valid' } })
    const holder = { account: row.account, generation: row.generation }
    const proven = { holder, subject: await logins.byHolder(holder) }
    return { ...(await this.#issue(request, proven, scopes, false)), refresh }
  }

  async #issue(
    request: HttpRequest,
    { subject, holder }: Identity,
    asked: readonly Scope[],
    wantsRefresh: boolean,
  ): Promise<IssuedToken> {
    const { policies, keyring, clock } = this.#parts
    const { policy } = await policies.current()
    const now = clock()
    const allowed = asked
      .map(scope => narrow(scope, policy, subject))
      .filter(({ actions }) => actions.length > 0)
    const scopes = thatFit(allowed)
    const token = await issueToken(keyring(), { holder, scopes }, { service: serviceName(request), now })
    const refresh = wantsRefresh && 'account' in holder ? await this.#tryRefresh(holder) : undefined
    return { token, issued: now, expiresIn: TOKEN_LIFETIME, ...(refresh && { refresh }) }
  }

  /** None on a full disk, where a client that pulls must still get its access token. */
  async #tryRefresh(holder: {
    readonly account: string
    readonly generation: number
  }): Promise<string | undefined> {
    try {
      return await this.#makeRefresh(holder)
    } catch (error) {
      if (error instanceof StorageFull) return undefined
      throw error
    }
  }

  async #makeRefresh(holder: { readonly account: string; readonly generation: number }): Promise<string> {
    const { table, clock } = this.#parts
    const refresh = `lsr_${randomBytes(32).toString('base64url')}`
    const key = keys.refresh(hashKey(refresh))
    const row: RefreshRow = { ...key, ...holder, expires: clock() + REFRESH_LIFE }
    await table.transact({ put: row, if: 'absent' }, ...(await this.#sweep(key)))
    return refresh
  }

  /**
   * The writes that remove some rows which have expired. Where a new row comes to lie is chance, so each row has its turn, and with
   * every login more rows can go than come: nobody else need clean up.
   */
  async #sweep({ partition, sort }: Key): Promise<Write[]> {
    const { table, clock } = this.#parts
    const rows = await table.query<RefreshRow>(partition, { after: sort, limit: SWEPT })
    return rows
      .filter(({ expires }) => expires <= clock())
      .map(({ partition, sort }) => ({ delete: { partition, sort } }))
  }
}

/** The part of a scope that the policy allows, be it for some tags alone. Which tags is asked when the token is used. */
function narrow(scope: Scope, policy: Policy, subject: Subject): Scope {
  const { type, name, actions } = scope
  if (type === 'registry') return subject.kind === 'anonymous' ? { ...scope, actions: [] } : scope
  if (type !== 'repository') return { ...scope, actions: [] }
  const wanted = actions.includes('*') ? Object.keys(WANTED) : actions
  const allowed = wanted.filter(word => {
    const action = WANTED[word]
    return action !== undefined && allowedForSomeTag(policy, subject, { action, repository: name })
  })
  return { type, name, actions: [...new Set(allowed)] }
}

/** The first of them. For the others a client is told to ask again, as for one that it forgot. */
function thatFit(scopes: readonly Scope[]): Scope[] {
  let length = 0
  return scopes.filter(scope => {
    length += JSON.stringify(scope).length + 1
    return length <= MOST_SCOPES
  })
}

/** Docker asks for the password again when this end-point refuses it with a challenge for Basic. */
function wrong(error: unknown, request: HttpRequest): unknown {
  if (!(error instanceof RegistryError) || error.code !== 'UNAUTHORIZED') return error
  const headers = { 'www-authenticate': `Basic realm="${serviceName(request)}"` }
  return new RegistryError('UNAUTHORIZED', { cause: error, detail: error.detail, headers })
}
