import type { HttpRequest } from '../../http/message.ts'
import { hostOfOrigin } from '../../http/origin.ts'
import type { LoginContext } from './logins.ts'

/** The service that tokens are issued for: the host name that the client used to reach the registry. */
export function serviceName({ origin }: HttpRequest): string {
  return hostOfOrigin(origin?.url) || 'longshore'
}

/** The client's address and the registry's host, for a login with this request. */
export function loginContext(request: HttpRequest): LoginContext {
  return { address: request.remote ?? '', registry: serviceName(request) }
}
