import { timingSafeEqual } from 'node:crypto'
import * as v from 'valibot'
import type { Credentials } from '../store/shared/aws-signing.ts'
import type { AwsConfig } from './config.ts'
import { readSsmParameter } from './ssm-parameter.ts'

const Secrets = v.object({
  /** Keys that sign URLs for the edge. The first one signs; the edge accepts all. */
  edgeKeys: v.pipe(v.array(v.string()), v.minLength(1)),
  /** Keys that sign access tokens and upload tokens. The first one signs; all are accepted. */
  tokenKeys: v.pipe(v.array(v.string()), v.minLength(1)),
  /** Value of the edge header, `x-longshore-edge`. */
  header: v.pipe(v.string(), v.minLength(16)),
})
/** The secrets that the edge and the registry share. */
export type Secrets = v.InferOutput<typeof Secrets>

/** How long secrets are cached. After this time, every process uses a rotated key. */
const CACHE_TTL_MS = 5 * 60 * 1000
/** How long the cached secrets are used after a failed read, before the next attempt. */
const RETRY_AFTER_MS = 30 * 1000

/** Caches the secrets of a process. */
export class SecretCache {
  readonly #fetch: () => Promise<Secrets>
  readonly #clock: () => number
  #cached: Secrets | undefined
  #refreshAt = Number.NEGATIVE_INFINITY
  #fetching: Promise<void> | undefined

  constructor(fetch: () => Promise<Secrets>, clock: () => number = Date.now) {
    this.#fetch = fetch
    this.#clock = clock
  }

  /**
   * The current secrets, or older ones while SSM cannot be reached.
   * @throws {Error} when no secrets have been read yet
   */
  async current(): Promise<Secrets> {
    if (!this.#cached || this.#clock() >= this.#refreshAt) await this.#refresh()
    return this.cached
  }

  /** The secrets that were read last. @throws {Error} when no secrets have been read yet */
  get cached(): Secrets {
    if (!this.#cached) throw new Error('the secrets of the registry have not been read yet')
    return this.#cached
  }

  /** Concurrent callers share one read. */
  #refresh(): Promise<void> {
    this.#fetching ??= this.#fetch()
      .then(
        secrets => {
          this.#cached = secrets
          this.#refreshAt = this.#clock() + CACHE_TTL_MS
        },
        error => {
          if (!this.#cached) throw error
          this.#refreshAt = this.#clock() + RETRY_AFTER_MS
        },
      )
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }
}

/**
 * Returns a function that reads the secrets from SSM. It throws an error without the value when the value is invalid.
 */
export function ssmSecrets(
  { secret: name, region, ssmEndpoint: endpoint }: AwsConfig,
  credentials: () => Promise<Credentials>,
): () => Promise<Secrets> {
  return async () => {
    const text = await readSsmParameter({ name, region, endpoint }, credentials)
    const secrets = v.safeParse(v.pipe(v.string(), v.parseJson(), Secrets), text)
    // The cause would contain the secrets.
    if (!secrets.success)
      throw new Error(`the SSM parameter ${name} must hold the secrets of a Longshore registry`)
    return secrets.output
  }
}

/** Whether a header proves that a request came through CloudFront. Compares in constant time. */
export function isEdgeHeader(header: string | undefined, secrets: Secrets): boolean {
  const actual = Buffer.from(header ?? '')
  const expected = Buffer.from(secrets.header)
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}
