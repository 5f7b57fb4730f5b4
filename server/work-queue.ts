import { RegistryError } from '../lambda/protocol/errors.ts'

interface QueueBounds {
  /** Jobs that run at the same time. */
  readonly running: number
  /** Jobs that wait. */
  readonly waiting: number
  /** Jobs of one client, running or waiting. */
  readonly perClient: number
}

/** Seconds after which a client that was refused may try again. */
const RETRY_AFTER = 2

/**
 * Runs jobs in the order in which they came, a bounded number at a time. What the bounds do not allow is refused at once: a queue that
 * grows without bound only delays the refusal, and holds a connection meanwhile.
 */
export class WorkQueue {
  readonly #bounds: QueueBounds
  readonly #waiting: (() => void)[] = []
  readonly #perClient = new Map<string, number>()
  #running = 0

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds
  }

  /**
   * @param client who the job is for; absent: nobody in particular
   * @throws {RegistryError} TOOMANYREQUESTS with Retry-After; and what the job throws
   */
  async run<T>(job: () => Promise<T>, client?: string): Promise<T> {
    await this.#enter(client)
    try {
      return await job()
    } finally {
      this.#leave(client)
    }
  }

  async #enter(client: string | undefined): Promise<void> {
    const { running, waiting, perClient } = this.#bounds
    const own = client === undefined ? 0 : (this.#perClient.get(client) ?? 0)
    if (own >= perClient || (this.#running >= running && this.#waiting.length >= waiting)) throw refused()
    if (client !== undefined) this.#perClient.set(client, own + 1)
    if (this.#running < running) this.#running++
    else await new Promise<void>(start => this.#waiting.push(start))
  }

  /** Hands the place to the next job. */
  #leave(client: string | undefined): void {
    const own = client === undefined ? 0 : (this.#perClient.get(client) ?? 0)
    if (client !== undefined && own > 1) this.#perClient.set(client, own - 1)
    else if (client !== undefined) this.#perClient.delete(client)
    const start = this.#waiting.shift()
    if (start) start()
    else this.#running--
  }
}

function refused(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', {
    detail: { reason: 'too many logins at the same time', seconds: RETRY_AFTER },
    headers: { 'retry-after': String(RETRY_AFTER) },
  })
}
