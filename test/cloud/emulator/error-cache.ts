import type { HeaderList } from '../../support/edge-event.ts'

/** Those that CloudFront keeps whatever the origin says of that, and however little else is to be kept. */
const KEPT = [404, 410, 414, 500, 501, 502, 503, 504]

export interface Refusal {
  readonly status: number
  readonly headers: HeaderList
  readonly body: Buffer
}

/** What a distribution remembers of its origins' refusals: by method and path, whoever asked and with whatever query. */
export class ErrorCache {
  readonly #milliseconds: number
  readonly #kept = new Map<string, Refusal & { readonly until: number }>()

  /** @param seconds CloudFront's "error caching minimum TTL", which is 10 where nothing is said */
  constructor(seconds: number) {
    this.#milliseconds = seconds * 1000
  }

  /** Whether an answer is one to be kept. */
  takes(method: string, status: number): boolean {
    return this.#milliseconds > 0 && (method === 'GET' || method === 'HEAD') && KEPT.includes(status)
  }

  keep(method: string, path: string, refusal: Refusal): void {
    this.#kept.set(`${method} ${path}`, { ...refusal, until: Date.now() + this.#milliseconds })
  }

  of(method: string, path: string): Refusal | undefined {
    const kept = this.#kept.get(`${method} ${path}`)
    return kept && kept.until > Date.now() ? kept : undefined
  }
}
