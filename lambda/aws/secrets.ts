import { timingSafeEqual } from 'node:crypto'
import * as v from 'valibot'
import type { Credentials } from '../store/shared/aws-signing.ts'
import type { AwsConfig } from './config.ts'
import { readSsmParameter } from './ssm-parameter.ts'

/** What the edge and the registry share. The first key signs; the edge still takes what the second has signed. */
const Secrets = v.object({
  edgeKeys: v.pipe(v.array(v.string()), v.minLength(1)),
  /** Sign tokens and the proofs in upload URLs. */
  tokenKeys: v.pipe(v.array(v.string()), v.minLength(1)),
  /** What CloudFront says in `x-longshore-edge`. */
  header: v.pipe(v.string(), v.minLength(16)),
})
export type Secrets = v.InferOutput<typeof Secrets>

/** Keys that were rotated are in use everywhere after so long. Milliseconds. */
const FRESH = 5 * 60 * 1000
/** So long nobody waits again for secrets that could not be had a moment ago, where there are older ones. Milliseconds. */
const PAUSE = 30 * 1000

/** The secrets of a process, fetched when it starts and again when they have grown old. */
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

  /** The newest that can be had. What is old is better than nothing: SSM may be down. @throws where there is nothing */
  async current(): Promise<Secrets> {
    if (!this.#known || this.#clock() >= this.#due) await this.#renew()
    return this.known
  }

  /** Those of the last time. @throws where there are none yet */
  get known(): Secrets {
    if (!this.#known) throw new Error('the secrets of the edge are not known')
    return this.#known
  }

  /** Once for all who ask at the same time. */
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

/** Reads them from SSM. */
export function ssmSecrets(
  { secret: name, region, ssmEndpoint: endpoint }: AwsConfig,
  credentials: () => Promise<Credentials>,
): () => Promise<Secrets> {
  return async () => {
    const text = await readSsmParameter({ name, region, endpoint }, credentials)
    const secrets = v.safeParse(v.pipe(v.string(), v.parseJson(), Secrets), text)
    // The cause would repeat what is in there.
    if (!secrets.success) throw new Error(`the SSM parameter ${name} is not what it should be`)
    return secrets.output
  }
}

/** Whether a header says what only the edge can say. Takes as long for a wrong one as for the right one. */
export function isEdgeHeader(header: string | undefined, secrets: Secrets): boolean {
  const said = Buffer.from(header ?? '')
  const expected = Buffer.from(secrets.header)
  return said.length === expected.length && timingSafeEqual(said, expected)
}
