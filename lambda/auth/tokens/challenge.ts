import type { HttpRequest } from '../../http/message.ts'
import { absoluteUrl } from '../../http/origin.ts'
import { RegistryError } from '../../protocol/errors.ts'
import { parseRepositoryName, type RepositoryName } from '../../protocol/name.ts'
import type { Tag } from '../../protocol/reference.ts'
import { formatScope } from '../../protocol/scope.ts'
import { serviceName } from '../identity/login-context.ts'
import type { RouteAction } from '../policy/actions.ts'
import type { Right } from '../policy/schema.ts'

const NO_LOGIN = 'authentication required'
const INSUFFICIENT_SCOPE = 'the scope of the token does not cover this request'

/** The parameters of a `WWW-Authenticate: Bearer` header. */
export interface Challenge {
  readonly realm: string
  readonly service: string
  readonly scope?: string
}

/** The challenge for a request. It lists every scope that the request needs, so that one further token suffices. */
export function challengeFor(request: HttpRequest, action: RouteAction, name?: RepositoryName): Challenge {
  const actions = action === 'push' ? ['pull', 'push'] : action === 'delete' ? ['pull', 'delete'] : ['pull']
  const source = action === 'push' ? mountSource(request) : undefined
  const scopes = [
    ...(name ? [{ type: 'repository', name, actions }] : []),
    ...(name && source && source !== name ? [{ type: 'repository', name: source, actions: ['pull'] }] : []),
  ]
  const scope = scopes.map(formatScope).join(' ')
  const service = serviceName(request)
  const realm = absoluteUrl(request, '/token')
  if (action === 'list') return { realm, service, scope: 'registry:catalog:*' }
  return { realm, service, ...(scope && { scope }) }
}

/**
 * The source repository of a mount, for which the challenge requests `pull`. Undefined if the request is not a mount.
 */
function mountSource({ method, query }: HttpRequest): RepositoryName | undefined {
  const from = query.get('from')
  if (method !== 'POST' || !query.has('mount') || !from) return undefined
  try {
    return parseRepositoryName(from)
  } catch {
    return undefined // an invalid name cannot be a source, and must not be copied into a header
  }
}

/**
 * A 401 response with the challenge of Docker's token specification, which every client understands. The client may
 * still send Basic.
 * @param cause why the login of the request was rejected, if it had one
 * @param error an error code of RFC 6750, section 3.1
 */
export function unauthorized(
  { realm, service, scope }: Challenge,
  cause?: RegistryError,
  error?: string,
): RegistryError {
  const parts = [
    `realm="${realm}"`,
    `service="${service}"`,
    ...(scope ? [`scope="${scope}"`] : []),
    ...(error ? [`error="${error}"`] : []),
  ]
  return new RegistryError('UNAUTHORIZED', {
    message: cause?.message ?? NO_LOGIN,
    headers: { 'www-authenticate': `Bearer ${parts.join(',')}` },
    // Docker takes an UNAUTHORIZED error without a detail for a temporary one, and retries for 50 s.
    detail: cause?.detail ?? { reason: error === 'insufficient_scope' ? INSUFFICIENT_SCOPE : NO_LOGIN },
    ...(cause && { cause }),
  })
}

interface Denial {
  readonly repository: RepositoryName
  readonly tag?: Tag
  readonly because: string
}

/** A 403 response: another login does not help. @param about absent if the request is not about a repository */
export function forbidden(right: Right, about?: Denial): RegistryError {
  const action = right === 'push-content' ? 'push' : right // without push-content nothing can be pushed
  const where = about && (about.tag === undefined ? about.repository : `${about.repository}:${about.tag}`)
  const message = about ? `${action} on ${where}: ${about.because}` : 'only administrators may do this'
  return new RegistryError('DENIED', { message, detail: { action, ...about } })
}
