import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { ClientGone, type HttpRequest } from '../lambda/http/message.ts'
import type { Origin } from '../lambda/http/origin.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import type { ClientView } from './forwarded.ts'
import type { Watch } from './stall-guard.ts'

/**
 * What Node received, as the app wants it. A header that decides who asks for what must be there once: Node keeps the first of
 * two, a proxy may have looked at the second. Node joins the others (`Accept`, `Range`) by `, `, and its parser refuses a second
 * `Content-Length`.
 * @param client by default what the connection says
 * @throws {RegistryError} BAD_REQUEST
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
  if (headers.host && NOT_IN_HOST.test(headers.host)) throw malformed('the Host header is not a host name')
  const target = pathAndQuery(url)
  const mark = target.indexOf('?')
  return {
    method,
    path: decode(mark < 0 ? target : target.slice(0, mark)),
    query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)),
    // Set-Cookie is the one header that Node gives as a list. It has no meaning in a request and nothing here reads it.
    headers: headers as Record<string, string | undefined>,
    ...originOf(client),
    remote: client.remote,
    body,
  }
}

const HOST = /^(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i

/** What RFC 3986 allows nowhere in a host with its port. */
const NOT_IN_HOST = /[^\w.~!$&'()*+,;=%:[\]-]/
/** Headers with a single value (RFC 9110 and 9112, section 3.2) on which the outcome of a request depends. */
const SINGLE = new Set(['host', 'authorization', 'content-range', 'content-type'])

function expectOnce(rawHeaders: readonly string[]): void {
  const seen = new Set<string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? ''
    if (!SINGLE.has(name)) continue
    if (seen.has(name)) throw malformed(`the header ${name} must be sent once`)
    seen.add(name)
  }
}

function malformed(reason: string): RegistryError {
  return new RegistryError('BAD_REQUEST', { detail: { reason } })
}

/** What the connection itself says about the client. */
export function directView({ headers: { host = '' }, socket }: IncomingMessage): ClientView {
  return { remote: socket.remoteAddress, scheme: 'encrypted' in socket ? 'https' : 'http', host }
}

/** Only this client is told the origin, so a false host misleads nobody else. A host of no known form is left out. */
function originOf({ scheme, host }: ClientView): { origin?: Origin } {
  return HOST.test(host) ? { origin: { url: `${scheme}://${host.toLowerCase()}`, isConfigured: false } } : {}
}

/** A proxy's request names scheme and host before the path (RFC 9112, 3.2.2). We answer for any of them. */
function pathAndQuery(target: string): string {
  if (target.startsWith('/')) return target
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/is.exec(target) ?? []
  if (rest === undefined) return target
  return rest.startsWith('/') ? rest : `/${rest}`
}

function decode(path: string): string {
  if (!path.includes('%')) return path
  // As at the edge: a path component cannot hold a slash, and API Gateway could not tell the two apart.
  if (/%2f/i.test(path))
    throw new RegistryError('NOT_FOUND', { message: 'a slash in the path must not be encoded' })
  try {
    return decodeURIComponent(path)
  } catch {
    throw new RegistryError('BAD_REQUEST', { detail: 'malformed percent-encoding in the path' })
  }
}

/** The body of a request as it arrives: a piece is read from the socket when it is asked for. */
export class IncomingBody implements AsyncIterable<Uint8Array> {
  /** Bytes so far, those that nobody wanted included. */
  received = 0
  readonly #incoming: IncomingMessage
  readonly #watch: Watch
  readonly #wanted: (() => void) | undefined

  /** @param wanted called when somebody begins to read. */
  constructor(incoming: IncomingMessage, watch: Watch, wanted?: () => void) {
    this.#incoming = incoming
    this.#watch = watch
    this.#wanted = wanted
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    this.#wanted?.()
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
   * Takes in what is still on its way and forgets it, within bounds. To close a connection on bytes that are arriving
   * resets it, and the reset can overtake the answer.
   */
  async drain(bounds: DrainLimits): Promise<void> {
    const enough = this.received + bounds.bytes
    const swallow = async () => {
      for await (const _ of this.#pieces()) if (this.received > enough) return
    }
    const timer = new AbortController()
    const bound = delay(bounds.ms, undefined, { signal: timer.signal })
    await Promise.race([swallow(), bound]).catch(() => {})
    bound.catch(() => {})
    timer.abort()
  }

  async *#pieces(): AsyncGenerator<Uint8Array, void> {
    // A reader that stops early would otherwise destroy the socket, and with it the answer.
    for await (const piece of this.#incoming.iterator({ destroyOnReturn: false })) {
      this.received += piece.length
      yield piece
    }
  }
}

/** How much of an unwanted body is taken in, in bytes and milliseconds. */
export interface DrainLimits {
  readonly bytes: number
  readonly ms: number
}
