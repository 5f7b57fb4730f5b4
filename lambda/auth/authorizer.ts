import type { HttpRequest } from '../http/message.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Reference, UploadId } from '../protocol/reference.ts'
import type { Scope } from '../protocol/scope.ts'
import { Cache } from '../util/cache.ts'
import type { Access } from './access.ts'
import { parseAuthorization } from './identity/authorization.ts'
import { loginContext, serviceName } from './identity/login-context.ts'
import { ANONYMOUS_IDENTITY, CACHE_TTL_MS, type Identity, type Logins } from './identity/logins.ts'
import { ANONYMOUS, subjectId } from './identity/subject.ts'
import type { RouteAction } from './policy/actions.ts'
import type { Policies } from './policy/policies.ts'
import {
  allowedEverywhere,
  decide,
  immutableTagMatcher,
  NO_POLICY,
  type Policy,
  pullFilter,
} from './policy/policy.ts'
import { EVERY_REPOSITORY } from './policy/repository-filter.ts'
import type { Right } from './policy/schema.ts'
import { type Challenge, challengeFor, forbidden, unauthorized } from './tokens/challenge.ts'
import type { Keyring } from './tokens/keyring.ts'
import { type TokenHolder, verifyToken } from './tokens/tokens.ts'
import { issueUploadToken, OLD_UPLOAD_TOKEN, UPLOAD_TOKEN, verifyUploadToken } from './tokens/upload-token.ts'

/** What the route of a request requires: its action, from the route table, and the parsed parameters of the path. */
interface RouteRequirement {
  readonly action: RouteAction
  readonly params: {
    readonly name?: RepositoryName
    readonly existing?: Reference
    readonly upload?: UploadId
  }
}

/**
 * Authenticates and authorizes a request. Runs before every handler.
 * @throws {RegistryError} UNAUTHORIZED with a challenge, DENIED
 */
export type Authorize = (request: HttpRequest, requirement: RouteRequirement) => Promise<Access>

interface AuthorizerParts {
  readonly logins: Logins
  readonly policies: Policies
  readonly keyring: () => Keyring
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** The authenticated caller. A token grants at most its scopes. */
interface Caller extends Identity {
  /** The scopes of the token. Absent: everything that the policy allows. */
  readonly scopes?: readonly Scope[]
}

/** The right that the policy must grant for the action of a route. The other actions are decided below. */
const REQUIRED_RIGHT: Partial<Record<RouteAction, Right>> = {
  pull: 'pull',
  push: 'push-content',
  delete: 'delete',
}
/** The action in a token's scope that covers each right of the policy. */
const SCOPE_ACTION: Record<Right, string> = {
  pull: 'pull',
  'push-content': 'push',
  'create-tag': 'push',
  'overwrite-tag': 'push',
  delete: 'delete',
  administer: '*',
}

/** Full access for every client, for a registry on one machine whose authentication is disabled. */
export const OPEN_ACCESS: Access = {
  subject: ANONYMOUS,
  owner: subjectId(ANONYMOUS),
  can: () => true,
  require: () => {},
  immutableTags: () => undefined,
  canSee: () => true,
  visible: EVERY_REPOSITORY,
  canPullAll: true,
  uploadToken: () => undefined,
}

/** Creates the authorizer of a registry. It caches the policy for a minute, or until `policies` replaces it. */
export function createAuthorizer({ logins, policies, keyring, clock }: AuthorizerParts): Authorize {
  const policyCache = new Cache<Policy>(clock, { ttl: CACHE_TTL_MS, maxEntries: 1 })
  policies.onChange(() => policyCache.clear())
  const currentPolicy = () => policyCache.get('', async () => (await policies.current()).policy)

  return async (request, { action, params }) => {
    const challenge = challengeFor(request, action, params.name)
    if (action === 'none') return accessOf(ANONYMOUS_IDENTITY, NO_POLICY, challenge) // the handler reads the Authorization header itself
    const identified = identify(request, params).catch(error => {
      throw error instanceof RegistryError && error.code === 'UNAUTHORIZED'
        ? unauthorized(challenge, error, 'invalid_token')
        : error
    })
    const [caller, policy] = await Promise.all([identified, currentPolicy()])
    const access = accessOf(caller, policy, challenge)
    const { subject } = caller
    if (action === 'ping') {
      if (!request.headers.authorization) throw unauthorized(challenge)
      return access
    }
    if (action === 'self' || action === 'admin') {
      if (subject.kind === 'anonymous') throw unauthorized(challenge)
      // These routes require the password: no scope covers accounts, and tokens are stored in many places.
      if (caller.scopes) throw unauthorized(challenge, undefined, 'insufficient_scope')
      if (action === 'admin' && !allowedEverywhere(policy, subject, 'administer'))
        throw forbidden('administer')
      return access
    }
    if (action === 'list') {
      // To a client an empty list would look like an empty registry. A challenge makes it log in.
      const isAnonymous = subject.kind === 'anonymous'
      if (isAnonymous && !request.headers.authorization) throw unauthorized(challenge)
      if (isAnonymous && access.visible.prefixes.length === 0) throw unauthorized(challenge)
      return access
    }
    const right = REQUIRED_RIGHT[action] as Right
    const tag = params.existing?.kind === 'tag' ? params.existing.tag : undefined
    access.require(right, params.name as RepositoryName, tag)
    return access
  }

  async function identify(request: HttpRequest, params: RouteRequirement['params']): Promise<Caller> {
    const holder = uploadTokenHolder(request, params)
    if (holder) return { subject: await logins.byHolder(holder), holder }
    const authorization = parseAuthorization(request.headers.authorization)
    switch (authorization.scheme) {
      case 'none':
        return ANONYMOUS_IDENTITY
      case 'basic':
        return logins.byPassword(authorization.login, loginContext(request))
      case 'bearer': {
        const names = { service: serviceName(request), now: clock() }
        const { holder, scopes } = await verifyToken(keyring(), authorization.token, names)
        return { subject: await logins.byHolder(holder), holder, scopes }
      }
    }
  }

  /**
   * The holder of the upload token in a session's URL. It takes precedence over the Authorization header, which may
   * have expired.
   */
  function uploadTokenHolder(
    { query }: HttpRequest,
    { name, upload }: RouteRequirement['params'],
  ): TokenHolder | undefined {
    const uploadToken = query.get(UPLOAD_TOKEN) ?? query.get(OLD_UPLOAD_TOKEN)
    if (!uploadToken || !name || !upload) return undefined
    return verifyUploadToken(keyring(), { name, upload }, uploadToken, clock())
  }

  function accessOf({ subject, holder, scopes }: Caller, policy: Policy, challenge: Challenge): Access {
    const inScope = (action: Right, repository: string) =>
      scopes === undefined ||
      scopes.some(
        ({ type, name, actions }) =>
          type === 'repository' &&
          name === repository &&
          (actions.includes(SCOPE_ACTION[action]) || actions.includes('*')),
      )
    const decision = (action: Right, repository: string, tag?: string) =>
      decide(policy, subject, { action, repository, tag })
    return {
      subject,
      owner: subjectId(subject),
      can: (action, repository, tag) =>
        inScope(action, repository) && decision(action, repository, tag).allowed,
      require: (action, repository, tag) => {
        const { allowed, because } = decision(action, repository, tag)
        if (!allowed && subject.kind === 'anonymous') throw unauthorized(challenge)
        if (!allowed) throw forbidden(action, { repository, ...(tag && { tag }), because })
        if (!inScope(action, repository)) throw unauthorized(challenge, undefined, 'insufficient_scope')
      },
      immutableTags: repository => immutableTagMatcher(policy, repository),
      canSee: repository => decision('pull', repository).allowed,
      get visible() {
        return pullFilter(policy, subject)
      },
      canPullAll: scopes === undefined && allowedEverywhere(policy, subject, 'pull'),
      uploadToken: (session, until) => issueUploadToken(keyring(), session, holder, until),
    }
  }
}
