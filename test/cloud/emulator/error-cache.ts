import type { HeaderList } from '../../support/edge-event.ts'

/** Statuses that CloudFront caches whatever the cache policy and the origin's headers are. */
const CACHED_STATUSES = [404, 410, 414, 500, 501, 502, 503, 504]

export interface ErrorResponse {
  readonly status: number
  readonly headers: HeaderList
  readonly body: Buffer
}

/** The error responses that a distribution caches, by method and path, for all viewers and queries. */
export class ErrorCache {
  readonly #milliseconds: number
  readonly #cached = new Map<string, ErrorResponse & { readonly until: number }>()

  /** @param seconds CloudFront's "error caching minimum TTL". CloudFront's default is 10. 0: caches nothing */
  constructor(seconds: number) {
    this.#milliseconds = seconds * 1000
  }

  isCacheable(method: string, status: number): boolean {
    return (
      this.#milliseconds > 0 && (method === 'GET' || method === 'HEAD') && CACHED_STATUSES.includes(status)
    )
  }

  put(method: string, path: string, error: ErrorResponse): void {
    this.#cached.set(`${method} ${path}`, { ...error, until: Date.now() + this.#milliseconds })
  }

  get(method: string, path: string): ErrorResponse | undefined {
    const cached = this.#cached.get(`${method} ${path}`)
    return cached && cached.until > Date.now() ? cached : undefined
  }
}
