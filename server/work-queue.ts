import { RegistryError } from '../lambda/protocol/errors.ts'

interface QueueLimits {
  /** Jobs that run at the same time. */
  readonly running: number
  /** Jobs that wait. */
  readonly waiting: number
  /** Jobs of one client, running or waiting. */
  readonly perClient: number
}

/** Seconds after which a refused client may try again. */
const RETRY_AFTER_SECONDS = 2

/**
 * Runs jobs in order of arrival, a limited number at a time. Jobs beyond the limits are refused at once: a queue
 * without a limit would only delay the refusal and hold a connection meanwhile.
 */
export class WorkQueue {
  readonly #limits: QueueLimits
  readonly #waiting: (() => void)[] = []
  readonly #perClient = new Map<string, number>()
  #running = 0

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  /**
   * Runs a job when its turn comes.
   * @param client the client that the job counts for; absent: only the total limits apply
   * @throws {RegistryError} TOOMANYREQUESTS with Retry-After; and errors of the job
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
    const { running, waiting, perClient } = this.#limits
    const own = client === undefined ? 0 : (this.#perClient.get(client) ?? 0)
    if (own >= perClient || (this.#running >= running && this.#waiting.length >= waiting)) throw tooMany()
    if (client !== undefined) this.#perClient.set(client, own + 1)
    if (this.#running < running) this.#running++
    else await new Promise<void>(start => this.#waiting.push(start))
  }

  /** Starts the next job. */
  #leave(client: string | undefined): void {
    const own = client === undefined ? 0 : (this.#perClient.get(client) ?? 0)
    if (client !== undefined && own > 1) this.#perClient.set(client, own - 1)
    else if (client !== undefined) this.#perClient.delete(client)
    const start = this.#waiting.shift()
    if (start) start()
    else this.#running--
  }
}

function tooMany(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', {
    detail: { reason: 'too many logins at the same time', seconds: RETRY_AFTER_SECONDS },
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  })
}
