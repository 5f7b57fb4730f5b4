import type { Progress } from '../../lambda/client/progress.ts'

/** Shows a person or a program what a copy does. */
export interface Display extends Progress {
  /** Removes what was shown for the time being. */
  end(): void
}

/** The current time in milliseconds. */
export type Clock = () => number

export const OUTCOMES = { copied: 'done', exists: 'already exists', mounted: 'mounted' } as const

export class SilentDisplay implements Display {
  prepared(): void {}
  moved(): void {}
  finished(): void {}
  end(): void {}
}
