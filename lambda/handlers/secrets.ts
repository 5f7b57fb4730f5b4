import { timingSafeEqual } from 'node:crypto'
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import * as v from 'valibot'

/** What the edge and the registry share. The first key signs; the edge still takes what the second has signed. */
const Secrets = v.object({
  edgeKeys: v.pipe(v.array(v.string()), v.minLength(1)),
  /** What CloudFront says in `x-longshore-edge`. */
  header: v.pipe(v.string(), v.minLength(16)),
})
export type Secrets = v.InferOutput<typeof Secrets>

/** Keys that were rotated are in use everywhere after so long. Milliseconds. */
const FRESH = 5 * 60 * 1000

/** The secrets of a process. They are fetched in the background of its start, and again when they have grown old. */
export class SecretKeeper {
  readonly #fetch: () => Promise<Secrets>
  readonly #clock: () => number
  #known: Secrets | undefined
  #fetchedAt = Number.NEGATIVE_INFINITY
  #fetching: Promise<Secrets> | undefined

  constructor(fetch: () => Promise<Secrets>, clock: () => number = Date.now) {
    this.#fetch = fetch
    this.#clock = clock
  }

  /** The newest that can be had. What is old is better than nothing: SSM may be down. @throws where there is nothing */
  async current(): Promise<Secrets> {
    if (this.#known && this.#clock() - this.#fetchedAt < FRESH) return this.#known
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined
    })
    try {
      this.#known = await this.#fetching
      this.#fetchedAt = this.#clock()
    } catch (error) {
      if (!this.#known) throw error
    }
    return this.#known
  }
}

/** Reads them from SSM. @param parameter the name of a SecureString */
export function secretsInSsm(parameter: string): () => Promise<Secrets> {
  const client = new SSMClient()
  return async () => {
    const { Parameter } = await client.send(
      new GetParameterCommand({ Name: parameter, WithDecryption: true }),
    )
    const secrets = v.safeParse(v.pipe(v.string(), v.parseJson(), Secrets), Parameter?.Value)
    // The cause would repeat what is in there.
    if (!secrets.success) throw new Error(`the SSM parameter ${parameter} is not what it should be`)
    return secrets.output
  }
}

/** Whether a header says what only the edge can say. Takes as long for a wrong one as for the right one. */
export function isEdge(header: string | undefined, secrets: Secrets): boolean {
  const said = Buffer.from(header ?? '')
  const expected = Buffer.from(secrets.header)
  return said.length === expected.length && timingSafeEqual(said, expected)
}
