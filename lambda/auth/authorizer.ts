import type { Request } from '../http/message.ts'
import type { Action } from '../http/router.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Reference, UploadId } from '../protocol/reference.ts'
import type { Scope } from '../protocol/scope.ts'
import type { Access } from './access.ts'
import { Cache } from './cache.ts'
import type { Right } from './grant.ts'
import type { Keyring } from './keyring.ts'
import { doorOf, readBasic, serviceOf } from './login-request.ts'
import { type Logins, MEMORY, type Proven, STRANGER } from './logins.ts'
import type { Policies } from './policies.ts'
import { decide, everywhere, immutableTags, NO_POLICY, type Policy, pullable } from './policy.ts'
import { makeProof, readProof } from './proofs.ts'
import { type Challenge, challengeFor, denied, refuse } from './refusals.ts'
import { EVERY_REPOSITORY } from './repository-filter.ts'
import { ANONYMOUS, subjectId } from './subject.ts'
import { type Holder, verifyToken } from './tokens.ts'

/** What a route needs, as its row in the table says. */
interface Need {
  readonly action: Action
  readonly params: {
    readonly name?: RepositoryName
    readonly existing?: Reference
    readonly upload?: UploadId
  }
}

/** Who is allowed in. Runs before any handler. @throws {RegistryError} UNAUTHORIZED with a challenge, DENIED */
export type Authorize = (request: Request, need: Need) => Promise<Access>

interface AuthorizerParts {
  readonly logins: Logins
  readonly policies: Policies
  readonly keyring: () => Keyring
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** The one who asks, and what he showed: a token allows no more than what it was given for. */
interface Caller extends Proven {
  /** Of a token. Absent: whatever the policy allows. */
  readonly scopes?: readonly Scope[]
}

const NEEDED: Partial<Record<Action, Right>> = {
  pull: 'pull',
  push: 'push-content',
  delete: 'delete',
  admin: 'administer',
}
/** What a token's scope calls the actions of the policy. */
const IN_SCOPE: Record<Right, string> = {
  pull: 'pull',
  'push-content': 'push',
  'create-tag': 'push',
  'overwrite-tag': 'push',
  delete: 'delete',
  administer: '*',
}

/** Everybody may do everything: a registry on one machine that nobody else reaches. */
export const OPEN: Access = {
  subject: ANONYMOUS,
  owner: subjectId(ANONYMOUS),
  may: () => true,
  demand: () => {},
  immutableTags: () => undefined,
  sees: () => true,
  visible: EVERY_REPOSITORY,
  pullsEverywhere: true,
  proof: () => undefined,
}

export function createAuthorizer({ logins, policies, keyring, clock }: AuthorizerParts): Authorize {
  const remembered = new Cache<Policy>(clock, { life: MEMORY, most: 1 })
  const currentPolicy = () => remembered.get('', async () => (await policies.current()).policy)

  return async (request, { action, params }) => {
    const challenge = challengeFor(request, action, params.name)
    if (action === 'none') return accessOf(STRANGER, NO_POLICY, challenge) // it looks at what is shown itself
    const identified = identify(request, params).catch(error => {
      throw error instanceof RegistryError && error.code === 'UNAUTHORIZED'
        ? refuse(challenge, error, 'invalid_token')
        : error
    })
    const [caller, policy] = await Promise.all([identified, currentPolicy()])
    const access = accessOf(caller, policy, challenge)
    const { subject } = caller
    if (action === 'ping') {
      if (!request.headers.authorization) throw refuse(challenge)
      return access
    }
    if (action === 'self' || action === 'admin') {
      if (subject.kind === 'anonymous') throw refuse(challenge)
      // A token lies about in many places. What it was not given for it does not open: accounts want the password.
      if (caller.scopes) throw refuse(challenge, undefined, 'insufficient_scope')
      if (action === 'admin' && !everywhere(policy, subject, 'administer')) throw denied('administer')
      return access
    }
    if (action === 'list') {
      // An empty list would tell a client that there are no repositories, rather than that it should log in.
      const isAnonymous = subject.kind === 'anonymous'
      if (isAnonymous && !request.headers.authorization) throw refuse(challenge)
      if (isAnonymous && access.visible.prefix === undefined) throw refuse(challenge)
      return access
    }
    const needed = NEEDED[action] as Right
    const tag = params.existing?.kind === 'tag' ? params.existing.tag : undefined
    access.demand(needed, params.name as RepositoryName, tag)
    return access
  }

  async function identify(request: Request, params: Need['params']): Promise<Caller> {
    const holder = proven(request, params)
    if (holder) return { subject: await logins.byHolder(holder), holder }
    const [, scheme = '', credentials = ''] =
      /^(\w+) +(\S+) *$/.exec(request.headers.authorization ?? '') ?? []
    switch (scheme.toLowerCase()) {
      case 'basic':
        return logins.byPassword(readBasic(credentials), doorOf(request))
      case 'bearer': {
        const names = { service: serviceOf(request), now: clock() }
        const { holder, scopes } = await verifyToken(keyring(), credentials, names)
        return { subject: await logins.byHolder(holder), holder, scopes }
      }
      default:
        if (request.headers.authorization) throw new RegistryError('UNAUTHORIZED', { detail: { scheme } })
        return STRANGER
    }
  }

  /** A session's URL speaks for whoever began it, whatever has become of the token beside it. */
  function proven({ query }: Request, { name, upload }: Need['params']): Holder | undefined {
    const proof = query.get('proof')
    if (!proof || !name || !upload) return undefined
    return readProof(keyring(), { repository: name, upload }, proof, clock())
  }

  function accessOf({ subject, holder, scopes }: Caller, policy: Policy, challenge: Challenge): Access {
    const inScope = (action: Right, repository: string) =>
      scopes === undefined ||
      scopes.some(
        ({ type, name, actions }) =>
          type === 'repository' &&
          name === repository &&
          (actions.includes(IN_SCOPE[action]) || actions.includes('*')),
      )
    const decision = (action: Right, repository: string, tag?: string) =>
      decide(policy, subject, { action, repository, tag })
    return {
      subject,
      owner: subjectId(subject),
      may: (action, repository, tag) =>
        inScope(action, repository) && decision(action, repository, tag).allowed,
      demand: (action, repository, tag) => {
        const { allowed, because } = decision(action, repository, tag)
        if (!allowed && subject.kind === 'anonymous') throw refuse(challenge)
        if (!allowed) throw denied(action, { repository, ...(tag && { tag }), because })
        if (!inScope(action, repository)) throw refuse(challenge, undefined, 'insufficient_scope')
      },
      immutableTags: repository => immutableTags(policy, repository),
      sees: repository => decision('pull', repository).allowed,
      get visible() {
        return pullable(policy, subject)
      },
      pullsEverywhere: scopes === undefined && everywhere(policy, subject, 'pull'),
      proof: (repository, upload, until) => makeProof(keyring(), { repository, upload }, holder, until),
    }
  }
}
