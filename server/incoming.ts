import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { ClientGone, type Request } from '../lambda/http/message.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import type { Watch } from './stall-guard.ts'

/**
 * What Node received, as the app wants it. Node's own rules for a header sent twice: `Host`, `Authorization`,
 * `Content-Type` and others that can have only one value keep the first, a second `Content-Length` is refused by the
 * parser, the rest (`Accept`, `Range`) is joined by `, `.
 * @throws {RegistryError} BAD_REQUEST
 */
export function readRequest(incoming: IncomingMessage, body: AsyncIterable<Uint8Array>): Request {
  const { method = 'GET', url = '/', headers } = incoming
  if (headers.host === undefined && incoming.httpVersion === '1.1')
    throw new RegistryError('BAD_REQUEST', { detail: 'no Host header' })
  const target = pathAndQuery(url)
  const mark = target.indexOf('?')
  return {
    method,
    path: decode(mark < 0 ? target : target.slice(0, mark)),
    query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)),
    // Set-Cookie is the one header that Node gives as a list. It has no meaning in a request and nothing here reads it.
    headers: headers as Record<string, string | undefined>,
    ...originOf(incoming),
    remote: incoming.socket.remoteAddress,
    body,
  }
}

const HOST = /^(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i

/** The address that the client used. Only this client is told of it, so a false one misleads nobody else. What is no host is left out. */
function originOf({ headers: { host = '' }, socket }: IncomingMessage): { origin?: string } {
  if (!HOST.test(host)) return {}
  return { origin: `${'encrypted' in socket ? 'https' : 'http'}://${host.toLowerCase()}` }
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
  async drain(bounds: DrainBounds): Promise<void> {
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
export interface DrainBounds {
  readonly bytes: number
  readonly ms: number
}
