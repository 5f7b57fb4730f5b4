/**
 * What the app is given and what it gives back. Not the web's `Request` and `Response`: their URL folds `..` and
 * `%2e` away before we can refuse them, and building them costs more than a manifest read (docs/decisions/0002).
 */
export interface HttpRequest {
  readonly method: string
  /** The path as sent, percent-decoded once and otherwise untouched: `..` and `//` are still there to be refused. */
  readonly path: string
  readonly query: URLSearchParams
  /** Lower-case names. A header sent twice is joined by `, `, as API Gateway and Node both do. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /**
   * Scheme and host by which the client knows this registry, such as `https://registry.example`, as far as its door can tell
   * without believing what it must not.
   */
  readonly origin?: string
  /** The client's address. */
  readonly remote?: string | undefined
  /** Can be read once, in pieces of any size. Throws {@link ClientGone} when the client breaks off. */
  readonly body: AsyncIterable<Uint8Array>
}

/** The host of an origin, with its port if it has one. Of none, nothing. */
export function hostOf(origin = ''): string {
  return origin.replace(/^https?:\/\//, '')
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Absent: no body. A HEAD carries none whatever its Content-Length says. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>
}

/** The client went away before its request had arrived whole. There is nobody left to answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}
