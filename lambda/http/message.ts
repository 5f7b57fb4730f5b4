import type { Origin } from './origin.ts'

/**
 * An HTTP request, as adapters pass it to the app. It is not the web's `Request`, whose URL removes `..` and `%2e`
 * before the router can refuse them, and which costs more to create than a manifest costs to read
 * (docs/decisions/0002).
 */
export interface HttpRequest {
  readonly method: string
  /** The path as sent, percent-decoded once and not normalised: the router refuses `..` and `//`. */
  readonly path: string
  readonly query: URLSearchParams
  /** Names are in lower case. The values of a repeated header are joined by `, `, as API Gateway and Node do. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The origin by which the client reaches this registry. Absent when an adapter has no trusted source for it. */
  readonly origin?: Origin
  /** The client's address. */
  readonly remote?: string | undefined
  /** Can be read once, in pieces of any size. Throws {@link ClientGone} when the client closes the connection early. */
  readonly body: AsyncIterable<Uint8Array>
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Absent: the response has no body. The response to a HEAD has none, whatever its Content-Length. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>
}

/** The client closed the connection before its request had arrived completely. No response can be sent. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}
