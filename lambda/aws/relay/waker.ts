import type { Ec2, InstanceState } from './ec2.ts'
import type { RelayRow } from './relay-row.ts'
import type { RelayTable } from './relay-table.ts'
import { startFailure } from './start-problem.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

/** How long the relay stays up after the last sign of a push. The setting of the idle time extends it, never shortens it. */
export const WANTED_MS = 15 * MINUTE
/** `wantedUntil` is not rewritten before this much of it has passed, so that a push of many layers writes once. */
const REWRITE_AFTER_MS = 5 * MINUTE
const POLL_INTERVAL_MS = 500
/** Between two calls of StartInstances. */
const RETRY_INTERVAL_MS = 2 * SECOND
/** A start that takes longer has failed, and is tried again. */
const START_TIMEOUT_MS = 90 * SECOND
/** How long the reason of a failed start is given to further requests before EC2 is asked again. */
const PROBLEM_TTL_MS = 15 * SECOND
/** An instance that is still running after this time did not shut down. */
const SHUTDOWN_TIMEOUT_MS = MINUTE

export type Readiness =
  | { readonly state: 'ready' }
  /** The wait ended first. A retry will find it ready. */
  | { readonly state: 'starting' }
  | { readonly state: 'failed'; readonly problem: string }

interface WakerParts {
  readonly rows: RelayTable
  readonly ec2: Pick<Ec2, 'start'>
  readonly clock: () => number
  readonly pause: (milliseconds: number) => Promise<unknown>
}

/**
 * The API's side of the relay: starts the instance for the first push that needs it, and lets requests wait for it. Every decision is a
 * conditional write of the one row, so any number of requests start the instance once.
 */
export class RelayWaker {
  readonly #rows: RelayTable
  readonly #ec2: Pick<Ec2, 'start'>
  readonly #clock: () => number
  readonly #pause: (milliseconds: number) => Promise<unknown>

  constructor({ rows, ec2, clock, pause }: WakerParts) {
    this.#rows = rows
    this.#ec2 = ec2
    this.#clock = clock
    this.#pause = pause
  }

  /** Whether the relay serves now. One read. */
  async isReady(): Promise<boolean> {
    return this.#isServing(await this.#rows.read())
  }

  /** Requests the relay, and starts the instance unless it runs. Does not wait for it. */
  async wake(): Promise<Readiness> {
    for (;;) {
      const row = await this.#rows.read()
      const now = this.#clock()
      if (this.#isServing(row) || this.#isStarting(row)) {
        if (row.wantedUntil - now > WANTED_MS - REWRITE_AFTER_MS) return readiness(row)
        if (await this.#rows.change(row, { wantedUntil: now + WANTED_MS })) return readiness(row)
      } else if (row.state === 'off' && row.problem !== '' && now - row.since < PROBLEM_TTL_MS) {
        return { state: 'failed', problem: row.problem }
      } else if (row.state === 'stopping' && now - row.tried < RETRY_INTERVAL_MS) {
        return { state: 'starting' }
      } else {
        const attempt = { state: 'starting', since: now, tried: now, wantedUntil: now + WANTED_MS } as const
        const taken = await this.#rows.change(row, { ...attempt, readyUntil: 0, problem: '' })
        if (taken) return this.#start(row, taken)
      }
      // Another process has changed the row. Its change decides.
    }
  }

  /** Requests the relay, and waits until it serves, at most `maxWait` milliseconds. */
  async wakeAndWait(maxWait: number): Promise<Readiness> {
    const deadline = this.#clock() + maxWait
    for (;;) {
      const result = await this.wake()
      if (result.state !== 'starting' || this.#clock() + POLL_INTERVAL_MS > deadline) return result
      await this.#pause(POLL_INTERVAL_MS)
    }
  }

  /** @param before the row that decided for the start. @param taken the row that it wrote */
  async #start(before: RelayRow, taken: RelayRow): Promise<Readiness> {
    const now = this.#clock()
    try {
      const previous = await this.#ec2.start(this.#rows.instance)
      // EC2 reports an instance as running while it shuts down, and then ignores the start.
      if (isShuttingDown(before, previous, now)) await this.#rows.change(taken, stoppingAgain(before, now))
      return { state: 'starting' }
    } catch (error) {
      const failure = startFailure(error)
      if (failure.kind === 'transient') {
        await this.#rows.change(taken, stoppingAgain(before, now))
        return { state: 'starting' }
      }
      const { problem } = failure
      await this.#rows.change(taken, { state: 'off', since: now, problem })
      return { state: 'failed', problem }
    }
  }

  #isServing({ state, readyUntil }: RelayRow): boolean {
    return state === 'ready' && readyUntil > this.#clock()
  }

  #isStarting({ state, since }: RelayRow): boolean {
    return state === 'starting' && this.#clock() - since < START_TIMEOUT_MS
  }
}

function readiness({ state }: RelayRow): Readiness {
  return { state: state === 'ready' ? 'ready' : 'starting' }
}

function isShuttingDown(before: RelayRow, previous: InstanceState, now: number): boolean {
  if (previous === 'stopping') return true
  return before.state === 'stopping' && previous === 'running' && now - before.since < SHUTDOWN_TIMEOUT_MS
}

/** The next attempt follows after {@link RETRY_INTERVAL_MS}. The time of the shutdown is kept. */
function stoppingAgain({ state, since }: RelayRow, now: number) {
  return { state: 'stopping', since: state === 'stopping' ? since : now, tried: now } as const
}
