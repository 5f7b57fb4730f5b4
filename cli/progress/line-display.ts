import type { BlobDescriptor } from '../../lambda/client/content.ts'
import type { Outcome } from '../../lambda/client/progress.ts'
import type { Output } from '../io.ts'
import { type Clock, type Display, OUTCOMES } from './display.ts'
import { Pace } from './pace.ts'
import { formatBytes, shortDigest } from './units.ts'

/** Milliseconds between two lines about a blob in progress. CI systems end jobs that print nothing. */
const INTERVAL = 30_000

/** Plain lines, for logs. */
export class LineDisplay implements Display {
  readonly #output: Output
  readonly #pace: Pace

  constructor(output: Output, clock: Clock) {
    this.#output = output
    this.#pace = new Pace(INTERVAL, clock)
  }

  prepared(step: string, bytes: number, total?: number): void {
    this.#progress(step, () => `${step}: ${formatBytes(bytes)}${total ? ` of ${formatBytes(total)}` : ''}`)
  }

  moved({ digest, size }: BlobDescriptor, bytes: number): void {
    this.#progress(digest, () => `${shortDigest(digest)}: ${formatBytes(bytes)} of ${formatBytes(size)}`)
  }

  finished({ digest, size }: BlobDescriptor, outcome: Outcome): void {
    this.#output.write(`${shortDigest(digest)}: ${OUTCOMES[outcome]} (${formatBytes(size)})\n`)
  }

  end(): void {}

  #progress(subject: string, line: () => string): void {
    if (this.#pace.isDueLater(subject)) this.#output.write(`${line()}\n`)
  }
}
