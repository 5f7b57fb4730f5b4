import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { ClientGone, type HttpRequest } from '../lambda/http/message.ts'
import type { Origin } from '../lambda/http/origin.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import type { ClientView } from './forwarded.ts'
import type { Watch } from './stall-guard.ts'

/**
 * Converts a request of `node:http` to the app's form. A header on which access depends must be sent once: of two, Node keeps the
 * first, while a proxy may have checked the second. Node joins other headers (`Accept`, `Range`) by `, `, and its parser refuses a
 * second `Content-Length`.
 * @param client by default the peer of the connection
 * @throws {RegistryError} BAD_REQUEST; NOT_FOUND for a path with an encoded slash
 */
export function readRequest(
  incoming: IncomingMessage,
  body: AsyncIterable<Uint8Array>,
  client: ClientView = directView(incoming),
): HttpRequest {
  const { method = 'GET', url = '/', headers } = incoming
  expectOnce(incoming.rawHeaders)
  if (headers.host === undefined && incoming.httpVersion === '1.1')
    throw malformed('the Host header is missing')
  if (headers.host && NOT_IN_HOST.test(headers.host))
    throw malformed('the Host header must be a host name with an optional port')
  const target = pathAndQuery(url)
  const queryStart = target.indexOf('?')
  return {
    method,
    path: decode(queryStart < 0 ? target : target.slice(0, queryStart)),
    query: new URLSearchParams(queryStart < 0 ? '' : target.slice(queryStart + 1)),
    // Set-Cookie is the only header that Node returns as a list. It has no meaning in a request, and no code reads it.
    headers: headers as Record<string, string | undefined>,
    ...originOf(client),
    remote: client.remote,
    body,
  }
}

const HOST = /^(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i

/** Characters that RFC 3986 does not allow in a host with a port. */
const NOT_IN_HOST = /[^\w.~!$&'()*+,;=%:[\]-]/
/** Headers that must have a single value (RFC 9110; RFC 9112, section 3.2) and on which access or the stored bytes depend. */
const SINGLE_HEADERS = new Set(['host', 'authorization', 'content-range', 'content-type'])

function expectOnce(rawHeaders: readonly string[]): void {
  const seen = new Set<string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? ''
    if (!SINGLE_HEADERS.has(name)) continue
    if (seen.has(name)) throw malformed(`the header ${name} must be sent once`)
    seen.add(name)
  }
}

function malformed(reason: string): RegistryError {
  return new RegistryError('BAD_REQUEST', { detail: { reason } })
}

/** The client as the connection shows it: the peer's address, and the scheme and host of the request. */
export function directView({ headers: { host = '' }, socket }: IncomingMessage): ClientView {
  return { remote: socket.remoteAddress, scheme: 'encrypted' in socket ? 'https' : 'http', host }
}

/** The origin is sent to this client only, so a false `Host` header cannot mislead other clients. Returns none for a malformed host. */
function originOf({ scheme, host }: ClientView): { origin?: Origin } {
  return HOST.test(host) ? { origin: { url: `${scheme}://${host.toLowerCase()}`, isConfigured: false } } : {}
}

/** Removes the scheme and host of a request in absolute form, which proxies receive (RFC 9112, section 3.2.2). Any host is accepted. */
function pathAndQuery(target: string): string {
  if (target.startsWith('/')) return target
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/is.exec(target) ?? []
  if (rest === undefined) return target
  return rest.startsWith('/') ? rest : `/${rest}`
}

function decode(path: string): string {
  if (!path.includes('%')) return path
  // As at the edge: a path segment cannot contain a slash, and API Gateway does not distinguish an encoded one.
  if (/%2f/i.test(path))
    throw new RegistryError('NOT_FOUND', { message: 'a slash in the path must not be encoded' })
  try {
    return decodeURIComponent(path)
  } catch {
    throw new RegistryError('BAD_REQUEST', { detail: 'malformed percent-encoding in the path' })
  }
}

/** The body of a request. A piece is read from the socket when the consumer requests it. */
export class IncomingBody implements AsyncIterable<Uint8Array> {
  /** Bytes received so far, including drained ones. */
  received = 0
  readonly #incoming: IncomingMessage
  readonly #watch: Watch
  readonly #onFirstRead: (() => void) | undefined

  /** @param onFirstRead called when a consumer begins to read */
  constructor(incoming: IncomingMessage, watch: Watch, onFirstRead?: () => void) {
    this.#incoming = incoming
    this.#watch = watch
    this.#onFirstRead = onFirstRead
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    this.#onFirstRead?.()
    const watch = this.#watch
    try {
      watch.waiting = true
      for await (const piece of this.#pieces()) {
        watch.waiting = false
        watch.moved += piece.length
        yield piece
        watch.waiting = true
      }
    } catch (cause) {
      throw new ClientGone('the connection ended before the request did', { cause })
    } finally {
      watch.waiting = false
    }
  }

  /**
   * Reads and discards the rest of a body that is not wanted, up to the limits. A connection that is closed while bytes arrive
   * is reset, and the reset can overtake the response.
   * @returns whether the client has more to send than the limit of bytes
   */
  async drain({ bytes, ms }: DrainLimits): Promise<boolean> {
    const enough = this.received + bytes
    const discard = async () => {
      for await (const _ of this.#pieces()) if (this.received >= enough) return !this.#incoming.complete
      return false
    }
    const timer = new AbortController()
    const timeout = delay(ms, false, { signal: timer.signal })
    const hasMore = await Promise.race([discard(), timeout]).catch(() => false)
    timeout.catch(() => {})
    timer.abort()
    return hasMore
  }

  async *#pieces(): AsyncGenerator<Uint8Array, void> {
    // By default a consumer that stops early destroys the socket, and the response could not be sent.
    for await (const piece of this.#incoming.iterator({ destroyOnReturn: false })) {
      this.received += piece.length
      yield piece
    }
  }
}

/** How much of a body that the app did not read is drained: bytes, and time in milliseconds. */
export interface DrainLimits {
  readonly bytes: number
  readonly ms: number
}
