/** How slow a peer may be, and for how long. */
export interface StallLimits {
  /** Time spent waiting for the peer after which its pace is judged, in milliseconds. */
  readonly window: number
  /** How many bytes must have moved by then. */
  readonly bytes: number
}

/**
 * 1 KiB/s over two minutes. A slow line is far above it, also where the system's send buffer (some MB) takes a minute
 * to ask for more; a client that only pretends to be slow holds its connection for two minutes.
 */
export const STALL_LIMITS: StallLimits = { window: 120_000, bytes: 120 * 1024 }

/** How often a peer is looked at within a window. */
const LOOKS = 12

/** One exchange under guard. Whoever moves its bytes keeps the first two up to date. */
export interface Watch {
  /** Whether nothing can happen before the peer sends or takes bytes. */
  waiting: boolean
  /** Bytes moved in this window. */
  moved: number
  looks: number
  readonly stalled: () => void
}

/**
 * Ends exchanges whose peer neither sends nor takes bytes at a minimal pace. Only time spent waiting for the peer counts, never
 * time in which we hash or write. One timer looks at all of them, so that a watch costs the pull path next to nothing.
 */
export class StallGuard {
  readonly #bytes: number
  readonly #watches = new Set<Watch>()
  readonly #timer: NodeJS.Timeout

  constructor({ window, bytes }: StallLimits) {
    this.#bytes = bytes
    this.#timer = setInterval(() => this.look(), window / LOOKS).unref()
  }

  /** @param stalled called once, when the peer has proved too slow. */
  watch(stalled: () => void): Watch {
    const watch = { waiting: false, moved: 0, looks: 0, stalled }
    this.#watches.add(watch)
    return watch
  }

  unwatch(watch: Watch): void {
    this.#watches.delete(watch)
  }

  /** Takes one sample of every watch. The timer calls it. */
  look(): void {
    for (const watch of this.#watches) {
      if (!watch.waiting || ++watch.looks < LOOKS) continue
      if (watch.moved < this.#bytes) {
        this.#watches.delete(watch)
        watch.stalled()
      }
      watch.looks = 0
      watch.moved = 0
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
