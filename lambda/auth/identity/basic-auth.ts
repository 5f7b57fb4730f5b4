import { type HttpRequest, hostOf } from '../../http/message.ts'
import { RegistryError } from '../../protocol/errors.ts'
import type { LoginContext, NameAndPassword } from './logins.ts'

/** The name under which tokens are given out: the registry's host, as the client knows it. */
export function serviceName({ origin }: HttpRequest): string {
  return hostOf(origin) || 'longshore'
}

/** Where a login by this request arrives. */
export function loginContext(request: HttpRequest): LoginContext {
  return { address: request.remote ?? '', registry: serviceName(request) }
}

/** Name and password of an Authorization header. @param credentials behind the word Basic. @throws {RegistryError} UNAUTHORIZED */
export function parseBasicCredentials(credentials: string): NameAndPassword {
  const text = Buffer.from(credentials, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 1) throw new RegistryError('UNAUTHORIZED', { detail: { reason: 'no name and password' } })
  return { name: text.slice(0, colon), password: text.slice(colon + 1) }
}
