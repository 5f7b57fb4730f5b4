import { ClientError } from '../../lambda/client/client-error.ts'
import type { FindLogin } from '../../lambda/client/registry/authorization.ts'
import { RefusedError } from '../../lambda/client/registry/refusal.ts'
import type { Registry, RegistryRequest, RegistryResponse } from '../../lambda/client/registry/registry.ts'
import { type HandledRequest, refuse } from '../../lambda/http/app.ts'
import type { HttpRequest, HttpResponse } from '../../lambda/http/message.ts'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import { CliError } from '../cli-error.ts'

/** How long the answer to "is there a login?" holds, in milliseconds. A credential helper is a process. */
const LOGIN_TTL = 60_000

interface UpstreamOptions {
  readonly registry: Registry
  readonly findLogin: FindLogin
  /** Whether the `Authorization` of a request is for the registry. Otherwise it is for the proxy. */
  readonly forwardsLogins: boolean
  /** The current time in milliseconds. */
  readonly clock: () => number
  /** Ends all requests to the registry. */
  readonly signal: AbortSignal
}

/** The registry behind the proxy, with the login of the client or the one that the CLI keeps. */
export class Upstream {
  readonly registry: Registry
  readonly signal: AbortSignal
  readonly #options: UpstreamOptions
  #hasLogin: { readonly answer: Promise<boolean>; readonly at: number } | undefined

  constructor(options: UpstreamOptions) {
    this.registry = options.registry
    this.signal = options.signal
    this.#options = options
  }

  /** The login that a request to the registry carries in place of the kept one. */
  loginOf({ headers }: HttpRequest): string | undefined {
    return this.#options.forwardsLogins ? headers.authorization : undefined
  }

  /** Without a kept login the client gets the challenge of the registry, so that it sends its own. */
  async send(request: HttpRequest, sent: RegistryRequest): Promise<RegistryResponse> {
    const authorization = this.loginOf(request)
    const { registry, signal } = this
    if (authorization === undefined && (await this.#isLoggedIn())) return registry.send({ ...sent, signal })
    return registry.sendPlainly({ ...sent, authorization, signal })
  }

  /** Whether the proxy logs in by itself. */
  async #isLoggedIn(): Promise<boolean> {
    const { clock, findLogin, forwardsLogins } = this.#options
    if (!forwardsLogins) return true
    if (!this.#hasLogin || clock() - this.#hasLogin.at > LOGIN_TTL) {
      const answer = findLogin().then(login => login !== undefined)
      this.#hasLogin = { answer, at: clock() }
    }
    return this.#hasLogin.answer
  }
}

/** An error as the response to a client. A refusal of the registry keeps its status and its reason. */
export function explainError(error: unknown, method: string): HandledRequest {
  if (error instanceof RegistryError) return refuse(error, method)
  if (error instanceof RefusedError)
    return { response: refused(error, method), code: error.code ?? 'UNKNOWN' }
  if (error instanceof ClientError || error instanceof CliError)
    return refuse(new RegistryError('UNAVAILABLE', { message: error.message }), method)
  return { ...refuse(new RegistryError('UNKNOWN'), method), fault: error }
}

function refused({ status, code = 'UNKNOWN', message }: RefusedError, method: string): HttpResponse {
  const body = Buffer.from(JSON.stringify({ errors: [{ code, message }] }))
  const headers = { 'content-type': 'application/json', 'content-length': String(body.length) }
  return { status, headers, ...(method !== 'HEAD' && { body }) }
}
