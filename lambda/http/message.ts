import type { Origin } from './origin.ts'

/**
 * An HTTP request, as adapters pass it to the app. It is not the web's `Request`, whose URL removes `..` and `%2e` before the
 * router can refuse them, and which costs more to build than a manifest costs to read (docs/decisions/0002).
 */
export interface HttpRequest {
  readonly method: string
  /** The path as sent, percent-decoded once and otherwise untouched: the router refuses `..` and `//`. */
  readonly path: string
  readonly query: URLSearchParams
  /** Lower-case names. A header sent twice is joined by `, `, as API Gateway and Node both do. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** How the client reaches this registry. Adapters leave it out when they cannot derive it from a source that they trust. */
  readonly origin?: Origin
  /** The client's address. */
  readonly remote?: string | undefined
  /** Can be read once, in pieces of any size. Throws {@link ClientGone} when the client closes the connection early. */
  readonly body: AsyncIterable<Uint8Array>
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Absent: no body. The response to a HEAD has none, whatever its Content-Length. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>
}

/** The client closed the connection before its whole request had arrived. No response can be sent. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}
