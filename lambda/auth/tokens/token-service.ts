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
import { issueToken, TOKEN_LIFETIME_SECONDS, type TokenHolder } from './tokens.ts'

/** How long a refresh token is valid. */
const REFRESH_TOKEN_LIFETIME_MS = 90 * 24 * 60 * 60 * 1000
/** How many refresh tokens are checked for expiry at each login: the rows after that of the new token. */
const SWEEP_SIZE = 5

/**
 * Characters of all scopes in a token, as JSON. API Gateway accepts at most 10,240 bytes of headers. Base64 makes a
 * token a third longer than its content, which may also contain 2,500 bytes of claims.
 */
const MAX_SCOPES_LENGTH = 3_000

export interface IssuedToken {
  readonly token: string
  /** The refresh token. */
  readonly refresh?: string
  /** Milliseconds since 1970. */
  readonly issued: number
  /** Seconds. */
  readonly expiresIn: number
  /** What the token allows: the part of the requested scopes that the policy allows. */
  readonly scopes: readonly Scope[]
}

type AccountHolder = Extract<TokenHolder, { account: string }>

interface TokenServiceParts {
  readonly table: Table
  readonly logins: Logins
  readonly policies: Policies
  readonly keyring: () => Keyring
  readonly clock: () => number
  /** Returns the mark of tokens that allow a push, if requests pass an edge that verifies it. */
  readonly edgeMark?: (() => string) | undefined
}

/** The right that each action of a scope needs. Rights to tags are checked when the token is used. */
const RIGHT_FOR_ACTION: Readonly<Record<string, Right>> = {
  pull: 'pull',
  push: 'push-content',
  delete: 'delete',
}

/** Issues tokens. A token contains the part of the requested scopes that the policy allows, which may be none. */
export class TokenService {
  readonly #parts: TokenServiceParts
  constructor(parts: TokenServiceParts) {
    this.#parts = parts
  }

  /**
   * Issues a token for the Basic credentials of the request, or an anonymous token if it has no Authorization header.
   * @throws {RegistryError} UNAUTHORIZED with a Basic challenge, TOOMANYREQUESTS
   */
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
      throw withBasicChallenge(error, request)
    }
  }

  /** @throws {RegistryError} UNAUTHORIZED, TOOMANYREQUESTS */
  async byPassword(
    request: HttpRequest,
    login: NameAndPassword,
    scopes: readonly Scope[],
    wantsRefresh: boolean,
  ): Promise<IssuedToken> {
    const identity = await this.#parts.logins.byPassword(login, loginContext(request))
    return this.#issue(request, identity, scopes, wantsRefresh)
  }

  /** @throws {RegistryError} UNAUTHORIZED if the refresh token is unknown, has expired, or its account has changed */
  async byRefresh(request: HttpRequest, refresh: string, scopes: readonly Scope[]): Promise<IssuedToken> {
    const { table, logins, clock } = this.#parts
    const row = await table.get<RefreshRow>(keys.refresh(hashKey(refresh)))
    if (!row || row.expires <= clock())
      throw new RegistryError('UNAUTHORIZED', { detail: { reason: 'the refresh token is not valid' } })
    const holder: AccountHolder = { account: row.account, generation: row.generation }
    const identity = { holder, subject: await logins.byHolder(holder) }
    return { ...(await this.#issue(request, identity, scopes, false)), refresh }
  }

  async #issue(
    request: HttpRequest,
    { subject, holder }: Identity,
    requested: readonly Scope[],
    wantsRefresh: boolean,
  ): Promise<IssuedToken> {
    const { policies, keyring, clock, edgeMark } = this.#parts
    const { policy } = await policies.current()
    const now = clock()
    const allowed = requested
      .map(scope => restrictScope(scope, policy, subject))
      .filter(({ actions }) => actions.length > 0)
    const scopes = fitToHeader(allowed)
    const mayPush = scopes.some(({ actions }) => actions.includes('push'))
    const context = { service: serviceName(request), now, edgeMark: mayPush ? edgeMark?.() : undefined }
    const token = await issueToken(keyring(), { holder, scopes }, context)
    const refresh = wantsRefresh && 'account' in holder ? await this.#tryIssueRefreshToken(holder) : undefined
    return { token, issued: now, expiresIn: TOKEN_LIFETIME_SECONDS, scopes, ...(refresh && { refresh }) }
  }

  /** Returns undefined if the disk is full: a client that pulls must still get its access token. */
  async #tryIssueRefreshToken(holder: AccountHolder): Promise<string | undefined> {
    try {
      return await this.#issueRefreshToken(holder)
    } catch (error) {
      if (error instanceof StorageFull) return undefined
      throw error
    }
  }

  async #issueRefreshToken(holder: AccountHolder): Promise<string> {
    const { table, clock } = this.#parts
    const refresh = `lsr_${randomBytes(32).toString('base64url')}`
    const key = keys.refresh(hashKey(refresh))
    const row: RefreshRow = { ...key, ...holder, expires: clock() + REFRESH_TOKEN_LIFETIME_MS }
    await table.transact({ put: row, if: 'absent' }, ...(await this.#sweep(key)))
    return refresh
  }

  /**
   * Returns the writes that remove expired rows among those after a new row. The position of a new row is random, so
   * every row is checked eventually. A login adds one row and can remove several, so no other cleanup is needed.
   */
  async #sweep({ partition, sort }: Key): Promise<Write[]> {
    const { table, clock } = this.#parts
    const rows = await table.query<RefreshRow>(partition, { after: sort, limit: SWEEP_SIZE })
    return rows
      .filter(({ expires }) => expires <= clock())
      .map(({ partition, sort }) => ({ delete: { partition, sort } }))
  }
}

/** Returns the part of a scope that the policy allows for at least one tag. Tags are checked when the token is used. */
function restrictScope(scope: Scope, policy: Policy, subject: Subject): Scope {
  const { type, name, actions } = scope
  if (type === 'registry') return subject.kind === 'anonymous' ? { ...scope, actions: [] } : scope
  if (type !== 'repository') return { ...scope, actions: [] }
  const requested = actions.includes('*') ? Object.keys(RIGHT_FOR_ACTION) : actions
  const allowed = requested.filter(action => {
    const right = RIGHT_FOR_ACTION[action]
    return right !== undefined && allowedForSomeTag(policy, subject, { action: right, repository: name })
  })
  return { type, name, actions: [...new Set(allowed)] }
}

/**
 * Keeps the first scopes, up to MAX_SCOPES_LENGTH. A request that needs one of the others gets 401 with a challenge
 * for its scope, as if the client had not requested it.
 */
function fitToHeader(scopes: readonly Scope[]): Scope[] {
  let length = 0
  return scopes.filter(scope => {
    length += JSON.stringify(scope).length + 1
    return length <= MAX_SCOPES_LENGTH
  })
}

/** Adds the challenge for Basic to UNAUTHORIZED, at which Docker prompts for the password again. */
function withBasicChallenge(error: unknown, request: HttpRequest): unknown {
  if (!(error instanceof RegistryError) || error.code !== 'UNAUTHORIZED') return error
  const headers = { 'www-authenticate': `Basic realm="${serviceName(request)}"` }
  return new RegistryError('UNAUTHORIZED', { cause: error, detail: error.detail, headers })
}
