import type { Clock } from './display.ts'

/** Limits how often something is shown: for each subject, such as a digest, once in an interval. */
export class Pace {
  readonly #interval: number
  readonly #clock: Clock
  readonly #shown = new Map<string, number>()

  /** @param interval milliseconds */
  constructor(interval: number, clock: Clock) {
    this.#interval = interval
    this.#clock = clock
  }

  /** Whether a subject is due, which then counts as shown. A subject that is new is due. */
  isDue(subject: string): boolean {
    const now = this.#clock()
    const before = this.#shown.get(subject)
    if (before !== undefined && now - before < this.#interval) return false
    this.#shown.set(subject, now)
    return true
  }

  /** The same, but a subject that is new is not due before the interval has passed. */
  isDueLater(subject: string): boolean {
    const isNew = !this.#shown.has(subject)
    return this.isDue(subject) && !isNew
  }
}
