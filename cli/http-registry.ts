import { CliError } from './cli-error.ts'
import type { Login } from './docker-config.ts'
import type { SendRequest } from './registry-client.ts'

/**
 * Sends requests to a registry over HTTP. It does not follow redirects, so that a login is sent only to this registry.
 * @param origin such as `https://registry.example`
 */
export function sendOverHttp(origin: string, login?: Login): SendRequest {
  const basic = login && Buffer.from(`${login.user}:${login.password}`).toString('base64')
  return async (method, target, body) => {
    const response = await fetch(new URL(target, origin), {
      method,
      headers: {
        ...(basic && { authorization: `Basic ${basic}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: 'error',
    }).catch(error => {
      throw new CliError(`cannot reach ${origin}: ${reasonOf(error.cause ?? error, origin)}`)
    })
    const { status, headers } = response
    return { status, headers: Object.fromEntries(headers), json: parse(await response.text()) }
  }
}

/** A reason in one line that says what to do, in place of the long messages of OpenSSL. */
function reasonOf({ code = '', message }: NodeJS.ErrnoException, origin: string): string {
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER')
    return `the server does not use TLS; to connect without TLS, name it ${origin.replace('https:', 'http:')}`
  if (/SELF_SIGNED|UNABLE_TO/.test(code))
    return `its certificate is not trusted (${code}); to trust your own CA, set NODE_EXTRA_CA_CERTS=<file>`
  return message.split('\n', 1)[0] || code
}

/** @returns undefined for a body that is not JSON, such as the HTML of a proxy in front of the registry */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
