import type { BlobDescriptor } from '../../lambda/client/content.ts'
import type { Outcome } from '../../lambda/client/progress.ts'
import type { Output } from '../io.ts'
import type { Clock, Display } from './display.ts'
import { Pace } from './pace.ts'

/** Between two events about the same blob, in milliseconds. */
const INTERVAL = 1_000

/** One line of JSON for each event. */
export class JsonDisplay implements Display {
  readonly #output: Output
  readonly #pace: Pace

  constructor(output: Output, clock: Clock) {
    this.#output = output
    this.#pace = new Pace(INTERVAL, clock)
  }

  prepared(step: string, bytes: number, total?: number): void {
    if (this.#pace.isDue(step)) this.#write({ event: 'progress', step, bytes, total })
  }

  moved({ digest, size }: BlobDescriptor, bytes: number): void {
    if (this.#pace.isDue(digest)) this.#write({ event: 'blob', digest, size, state: 'copying', bytes })
  }

  finished({ digest, size }: BlobDescriptor, state: Outcome): void {
    this.#write({ event: 'blob', digest, size, state })
  }

  end(): void {}

  #write(event: object): void {
    this.#output.write(`${JSON.stringify(event)}\n`)
  }
}
