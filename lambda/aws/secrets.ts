import { timingSafeEqual } from 'node:crypto'
import * as v from 'valibot'
import type { Credentials } from '../store/shared/aws-signing.ts'
import type { AwsConfig } from './config.ts'
import { readSsmParameter } from './ssm-parameter.ts'

/** The secrets that the edge and the registry share. The first edge key signs; the edge also accepts signatures of the second. */
const Secrets = v.object({
  edgeKeys: v.pipe(v.array(v.string()), v.minLength(1)),
  /** Keys that sign access tokens and upload tokens. The first one signs; all are accepted. */
  tokenKeys: v.pipe(v.array(v.string()), v.minLength(1)),
  /** Value of the edge header, `x-longshore-edge`. */
  header: v.pipe(v.string(), v.minLength(16)),
})
export type Secrets = v.InferOutput<typeof Secrets>

/** How long secrets are cached, in milliseconds. After this time, a rotated key is in use everywhere. */
const FRESH = 5 * 60 * 1000
/** How long older secrets are used after a failed read, before the next attempt. Milliseconds. */
const PAUSE = 30 * 1000

/** Caches the secrets of a process. */
export class SecretCache {
  readonly #fetch: () => Promise<Secrets>
  readonly #clock: () => number
  #known: Secrets | undefined
  #due = Number.NEGATIVE_INFINITY
  #fetching: Promise<void> | undefined

  constructor(fetch: () => Promise<Secrets>, clock: () => number = Date.now) {
    this.#fetch = fetch
    this.#clock = clock
  }

  /** The newest secrets. Older ones are returned while SSM cannot be reached. @throws {Error} when none have been read yet */
  async current(): Promise<Secrets> {
    if (!this.#known || this.#clock() >= this.#due) await this.#renew()
    return this.known
  }

  /** The secrets that were read last. @throws {Error} when none have been read yet */
  get known(): Secrets {
    if (!this.#known) throw new Error('the secrets of the registry have not been read yet')
    return this.#known
  }

  /** Concurrent callers share one read. */
  #renew(): Promise<void> {
    this.#fetching ??= this.#fetch()
      .then(
        secrets => {
          this.#known = secrets
          this.#due = this.#clock() + FRESH
        },
        error => {
          if (!this.#known) throw error
          this.#due = this.#clock() + PAUSE
        },
      )
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }
}

/** Reads the secrets from SSM. */
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
  const said = Buffer.from(header ?? '')
  const expected = Buffer.from(secrets.header)
  return said.length === expected.length && timingSafeEqual(said, expected)
}
