import type { BlobDescriptor } from '../../lambda/client/content.ts'
import type { Outcome } from '../../lambda/client/progress.ts'
import type { Output } from '../io.ts'
import { type Clock, type Display, OUTCOMES } from './display.ts'
import { formatBytes, shortDigest } from './units.ts'

/** A line about something that is under way, at most every 30 seconds: CI systems end jobs that print nothing. Milliseconds. */
const INTERVAL = 30_000

/** Plain lines, for logs. */
export class LineDisplay implements Display {
  readonly #output: Output
  readonly #clock: Clock
  readonly #shown = new Map<string, number>()

  constructor(output: Output, clock: Clock) {
    this.#output = output
    this.#clock = clock
  }

  prepared(step: string, bytes: number, total?: number): void {
    this.#under(step, () => `${step}: ${formatBytes(bytes)}${total ? ` of ${formatBytes(total)}` : ''}`)
  }

  moved({ digest, size }: BlobDescriptor, bytes: number): void {
    this.#under(digest, () => `${shortDigest(digest)}: ${formatBytes(bytes)} of ${formatBytes(size)}`)
  }

  finished({ digest, size }: BlobDescriptor, outcome: Outcome): void {
    this.#output.write(`${shortDigest(digest)}: ${OUTCOMES[outcome]} (${formatBytes(size)})\n`)
  }

  end(): void {}

  #under(subject: string, line: () => string): void {
    const now = this.#clock()
    const before = this.#shown.get(subject)
    if (before === undefined) this.#shown.set(subject, now)
    else if (now - before >= INTERVAL) {
      this.#shown.set(subject, now)
      this.#output.write(`${line()}\n`)
    }
  }
}
