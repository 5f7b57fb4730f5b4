/** The pace below which a peer counts as stalled. */
export interface StallLimits {
  /** Time spent waiting for the peer after which its pace is checked, in milliseconds. */
  readonly window: number
  /** Bytes that must have been transferred in a window. */
  readonly bytes: number
}

/**
 * 1 KiB/s over two minutes. A slow line is far above this, also when the system's send buffer (a few MB) accepts no
 * more bytes for a minute. A client that is slow on purpose holds its connection for two minutes.
 */
export const STALL_LIMITS: StallLimits = { window: 120_000, bytes: 120 * 1024 }

/** Samples of a window. */
const SAMPLES = 12

/** The state of one exchange. The code that transfers its bytes updates the first two fields. */
export interface Watch {
  /** Whether the exchange waits for the peer to send or take bytes. */
  waiting: boolean
  /** Bytes transferred in this window. */
  moved: number
  samples: number
  readonly stalled: () => void
}

/**
 * Ends exchanges whose peer sends or takes bytes too slowly. Only time spent waiting for the peer counts, not the time
 * to hash or write. One timer samples all exchanges, so that a watch costs a pull almost nothing.
 */
export class StallGuard {
  readonly #bytes: number
  readonly #watches = new Set<Watch>()
  readonly #timer: NodeJS.Timeout

  constructor({ window, bytes }: StallLimits) {
    this.#bytes = bytes
    this.#timer = setInterval(() => this.sample(), window / SAMPLES).unref()
  }

  /** @param stalled called once, when the peer is too slow */
  watch(stalled: () => void): Watch {
    const watch = { waiting: false, moved: 0, samples: 0, stalled }
    this.#watches.add(watch)
    return watch
  }

  unwatch(watch: Watch): void {
    this.#watches.delete(watch)
  }

  /** Takes one sample of every watch. The timer calls it. */
  sample(): void {
    for (const watch of this.#watches) {
      if (!watch.waiting || ++watch.samples < SAMPLES) continue
      if (watch.moved < this.#bytes) {
        this.#watches.delete(watch)
        watch.stalled()
      }
      watch.samples = 0
      watch.moved = 0
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
