import { setTimeout as delay } from 'node:timers/promises'
import { ClientError } from '../client-error.ts'
import { Authorization, type FindLogin } from './authorization.ts'
import { type Bytes, discard, Transport, type TransportRequest, type TransportResponse } from './transport.ts'

export interface RegistryOptions {
  /** Such as `https://registry.example`. */
  readonly origin: string
  /** As in image names, for messages. */
  readonly name: string
  readonly userAgent: string
  readonly findLogin: FindLogin
  /** The current time in milliseconds. */
  readonly clock: () => number
  /** Variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** Waits before a request is repeated. */
  readonly pause?: (milliseconds: number, signal?: AbortSignal) => Promise<void>
}

export interface RegistryRequest {
  readonly method?: string
  /** A path, or the URL of a `Location`. */
  readonly target: string | URL
  readonly headers?: Readonly<Record<string, string>>
  /** A function opens a stream anew for each attempt. It needs a `content-length` header. */
  readonly body?: Uint8Array | (() => Bytes)
  /** What the request needs, such as `repository:team/app:pull`. */
  readonly scopes?: readonly string[]
  /** Sent in place of a login, which is then left to the caller. */
  readonly authorization?: string | undefined
  /** Whether redirects of the registry are followed, which is the default. */
  readonly follow?: boolean
  /** How often the request is sent at most, where it fails for a reason that may pass. */
  readonly attempts?: number
  readonly signal?: AbortSignal | undefined
}

export interface RegistryResponse extends TransportResponse {
  /** The URL that responded, after redirects. */
  readonly url: URL
}

export const ATTEMPTS = 4
const MAX_REDIRECTS = 5
/** Milliseconds. A registry that asks for a longer pause is not waited for. */
const LONGEST_PAUSE = 60_000
/** Codes of Node for names that do not exist, and for certificates and protocols that stay wrong. */
const PERMANENT = /CERT|SSL|EPROTO|SELF_SIGNED|UNABLE_TO|ENOTFOUND/
const PASSING = new Set([408, 429, 500, 502, 503, 504])

/** A registry over HTTP: logs in when the registry requires it, follows redirects, and repeats what failed for a passing reason. */
export class Registry {
  readonly origin: string
  readonly name: string
  readonly #transport: Transport
  readonly #authorization: Authorization
  readonly #pause: NonNullable<RegistryOptions['pause']>
  #first: Promise<void> | undefined

  constructor({ origin, name, userAgent, findLogin, clock, env, pause = wait }: RegistryOptions) {
    this.origin = origin
    this.name = name
    this.#transport = new Transport({ userAgent, env })
    this.#authorization = new Authorization({ origin, transport: this.#transport, findLogin, clock })
    this.#pause = pause
  }

  close(): void {
    this.#transport.close()
  }

  /**
   * Sends a request with the login that the registry requires.
   * @throws {ClientError} where the registry is unreachable. A response of any status is returned
   */
  async send(request: RegistryRequest): Promise<RegistryResponse> {
    if (request.authorization !== undefined) return this.sendPlainly(request)
    this.#first ??= this.#learnChallenge(request.signal)
    await this.#first.catch(error => {
      this.#first = undefined
      throw error
    })
    return this.#retry(request)
  }

  /** Sends a request as it is: no login is added, and a 401 is returned. */
  sendPlainly(request: RegistryRequest): Promise<RegistryResponse> {
    return this.#retryAnonymously(request, request.authorization)
  }

  /** Asks the registry itself for its challenge, because a repository that one may not see can respond 404 without one. */
  async #learnChallenge(signal: AbortSignal | undefined): Promise<void> {
    const response = await this.#retryAnonymously({ target: '/v2/', signal })
    if (response.status === 401) this.#authorization.learn(response, [])
    await discard(response)
  }

  async #retry(request: RegistryRequest): Promise<RegistryResponse> {
    const { scopes = [] } = request
    const response = await this.#retryAnonymously(request, await this.#authorization.header(scopes))
    // A token may have been revoked, or may have expired by the clock of the registry.
    if (response.status !== 401 || !this.#authorization.learn(response, scopes)) return response
    const header = await this.#authorization.header(scopes)
    if (!header) return response
    await discard(response)
    return this.#retryAnonymously(request, header)
  }

  async #retryAnonymously(request: RegistryRequest, authorization?: string): Promise<RegistryResponse> {
    const { attempts = ATTEMPTS, signal } = request
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#follow(request, authorization).catch((error: unknown) => {
        if (attempt < attempts && mayPass(error)) return undefined
        throw error
      })
      if (outcome && (attempt >= attempts || !mayPass(outcome))) return outcome
      const pause = pauseBefore(attempt, outcome)
      if (outcome && pause > LONGEST_PAUSE) return outcome
      if (outcome) await discard(outcome)
      await this.pause(pause, signal)
    }
  }

  /** Waits before something is repeated. @throws the reason of `signal` where it is aborted */
  pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return this.#pause(milliseconds, signal)
  }

  /** The login goes to the registry alone, never to the target of a redirect or a `Location` on another origin. */
  async #follow(request: RegistryRequest, authorization?: string): Promise<RegistryResponse> {
    const { method = 'GET', headers = {}, body, signal, follow = true } = request
    let url = new URL(request.target, this.origin)
    for (let redirects = 0; ; redirects++) {
      const own = url.origin === new URL(this.origin).origin
      const response = await this.#transport.send({
        method,
        url,
        headers: { ...headers, ...(authorization && own && { authorization }) },
        ...(body && { body: typeof body === 'function' ? body() : body }),
        signal,
      } satisfies TransportRequest)
      const { location } = response.headers
      const followed =
        [307, 308].includes(response.status) || (isRead(method) && [301, 302, 303].includes(response.status))
      if (!follow || !followed || !location) return { ...response, url }
      await discard(response)
      if (redirects === MAX_REDIRECTS) throw new ClientError(`${this.name} redirects in a circle`)
      url = this.#redirect(location, url)
    }
  }

  #redirect(location: string, from: URL): URL {
    const url = URL.canParse(location, from.href) ? new URL(location, from) : undefined
    if (url?.protocol === 'https:' || (url?.protocol === 'http:' && from.protocol === 'http:')) return url
    throw new ClientError(`${this.name} redirects to "${location.slice(0, 200)}", which is not https`)
  }
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** Whether the same request may succeed later: after a response, or after an error of the connection. */
export function mayPass(outcome: unknown): boolean {
  if (!(outcome instanceof ClientError))
    return PASSING.has((outcome as Partial<TransportResponse>).status ?? 0)
  const { code = '' } = (outcome.cause ?? {}) as NodeJS.ErrnoException
  return outcome.cause !== undefined && !PERMANENT.test(code)
}

/**
 * How long to wait before the next attempt, in milliseconds: what `Retry-After` says in seconds (RFC 9110 section 10.2.3), otherwise
 * 0.25, 1 and 4 seconds.
 */
export function pauseBefore(attempt: number, response?: TransportResponse): number {
  const seconds = response?.headers['retry-after'] ?? ''
  return /^\d+$/.test(seconds) ? Number(seconds) * 1000 : 250 * 4 ** (attempt - 1)
}

async function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { ...(signal && { signal }) }).catch(() => signal?.throwIfAborted())
}
