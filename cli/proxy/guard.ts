import { createHash, timingSafeEqual } from 'node:crypto'
import { isCrossSite } from '../../lambda/http/csrf.ts'
import type { HttpRequest } from '../../lambda/http/message.ts'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import { isLocalHostname } from '../../server/dns-rebinding.ts'
import type { Login } from '../docker-config.ts'

const CHALLENGE = { 'www-authenticate': 'Basic realm="longshore proxy"' }

/**
 * Refuses requests that may not use the login of the proxy: cross-site requests of browsers, and requests without the
 * password of `--auth`.
 * @param login the login that clients must send; absent: any client on this machine may use the proxy
 * @throws {RegistryError} DENIED, UNAUTHORIZED
 */
export function requireClient(request: HttpRequest, login: Login | undefined): void {
  const { host = '', authorization = '', origin } = request.headers
  if (isCrossSite(request) || (origin !== undefined && !login))
    throw new RegistryError('DENIED', { message: 'a browser sends this request for another site' })
  if (!login && !isLocalHostname(host))
    throw new RegistryError('DENIED', {
      message: `the proxy is for this machine alone, not for the host name ${host.slice(0, 253)}`,
    })
  if (!login) return
  const expected = Buffer.from(`${login.user}:${login.password}`).toString('base64')
  const [, given = ''] = /^basic +(\S+)$/i.exec(authorization) ?? []
  if (timingSafeEqual(sha256(given), sha256(expected))) return
  throw new RegistryError('UNAUTHORIZED', {
    message: 'the proxy requires the login of its --auth',
    headers: CHALLENGE,
  })
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
