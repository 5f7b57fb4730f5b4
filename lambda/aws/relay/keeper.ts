import type { RelayTable } from './relay-table.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

/** How long the relay is taken for serving after a renewal. Three renewals may fail. */
const READY_MS = 60 * SECOND
export const RENEW_INTERVAL_MS = 20 * SECOND
/** CloudFront needs the instance to run until its VPC origin is deployed, which takes up to 15 minutes. */
const FIRST_RUN_MS = 30 * MINUTE

interface KeeperParts {
  readonly rows: RelayTable
  readonly clock: () => number
  /** Time without a request after which the relay stops, in milliseconds. */
  readonly idleMs: number
}

/** The relay's side of the row: reports that it serves, and decides when it stops. */
export class RelayKeeper {
  readonly #rows: RelayTable
  readonly #clock: () => number
  readonly #idleMs: number
  #requests = 0
  #lastRequest: number

  constructor({ rows, clock, idleMs }: KeeperParts) {
    this.#rows = rows
    this.#clock = clock
    this.#idleMs = idleMs
    this.#lastRequest = clock()
  }

  /** Counts a request while it is served. @returns the function that ends it */
  begin(): () => void {
    this.#requests++
    this.#lastRequest = this.#clock()
    return () => {
      this.#requests--
      this.#lastRequest = this.#clock()
    }
  }

  /** Reports that the relay serves. Repeated every {@link RENEW_INTERVAL_MS}. */
  async renew(): Promise<void> {
    if (await this.#rows.renew(this.#clock() + READY_MS)) return
    for (;;) {
      const row = await this.#rows.read()
      const now = this.#clock()
      // No request has started this instance: the deployment did.
      const isFirstRun = row.tried === 0 && row.readyUntil === 0
      const wantedUntil = isFirstRun ? now + FIRST_RUN_MS : row.wantedUntil
      const ready = { state: 'ready', since: now, readyUntil: now + READY_MS, problem: '' } as const
      if (await this.#rows.change(row, { ...ready, wantedUntil })) return
    }
  }

  /** Whether the relay has served no request for the idle time. A push may need it all the same; {@link tryStop} finds out. */
  get isIdle(): boolean {
    return this.#requests === 0 && this.#clock() - this.#lastRequest >= this.#idleMs
  }

  /**
   * Ends the relay, unless a push needs it. The write is conditional on the row that was read, so a push that requests the relay at the
   * same time wins, or finds `stopping` and starts the instance again.
   * @returns whether the instance must be powered off now
   */
  async tryStop(): Promise<boolean> {
    const row = await this.#rows.read()
    const now = this.#clock()
    if (!this.isIdle || row.wantedUntil > now) return false
    // A request that is already on its way finds the relay gone; its client repeats it.
    const stopped = await this.#rows.change(row, { state: 'stopping', since: now, readyUntil: 0 })
    return stopped !== undefined
  }
}
