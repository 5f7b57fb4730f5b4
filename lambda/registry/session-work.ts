import type { Bytes } from '../store/blobs.ts'

/**
 * How long a request may wait for its client's next bytes before a newer request takes over the session, in
 * milliseconds.
 */
export const MAX_IDLE_MS = 10_000

/** A newer request has taken over the session. The rest of this request's body is not read. */
export class TakenOver extends Error {
  override readonly name = 'TakenOver'
}

/**
 * A request that works on an upload session. A connection that broke without a FIN looks like a client that pauses.
 * Only the time since its last bytes shows that the request is dead.
 */
export class SessionWork {
  readonly #clock: () => number
  /** When bytes last arrived, or the request began. */
  #lastBytesAt: number
  /** Ends the current wait for bytes. Absent while the request does not wait. */
  #interruptWait: (() => void) | undefined
  #isTakenOver = false
  readonly #ended = Promise.withResolvers<void>()

  /** @param clock milliseconds since 1970 */
  constructor(clock: () => number) {
    this.#clock = clock
    this.#lastBytesAt = clock()
  }

  /** Settles when the request has stopped working on the session. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** When bytes last arrived, in milliseconds since 1970. It changes only while the client is alive. */
  get lastBytesAt(): number {
    return this.#lastBytesAt
  }

  /** Whether the request waits for bytes of its client. While it writes or commits, it must not be interrupted. */
  get isWaiting(): boolean {
    return this.#interruptWait !== undefined
  }

  end(): void {
    this.#ended.resolve()
  }

  /**
   * Makes the reader of {@link watch} fail with {@link TakenOver}, if the request has waited for {@link MAX_IDLE_MS}.
   * None of its bytes are recorded then: the store's append fails and leaves the draft unchanged.
   * @returns false when the request has received bytes more recently, or does not wait for bytes
   */
  takeOver(): boolean {
    if (!this.#interruptWait || this.#clock() - this.#lastBytesAt < MAX_IDLE_MS) return false
    this.#isTakenOver = true
    this.#interruptWait()
    return true
  }

  /** The same bytes. Their arrival is recorded. */
  watch(bytes: Bytes): Bytes {
    return { [Symbol.asyncIterator]: () => this.#iterate(bytes[Symbol.asyncIterator]()) }
  }

  #iterate(source: AsyncIterator<Uint8Array>): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        const result = await this.#wait(source.next())
        // Bytes that arrived during the interruption are dropped.
        if (this.#isTakenOver) throw new TakenOver('a newer request has taken over the session')
        this.#lastBytesAt = this.#clock()
        return result
      },
      return: async () => {
        const closing = source.return?.()
        // The iterator cannot end while its last read has not ended, and that read may never end.
        if (this.#isTakenOver) closing?.catch(() => {})
        else await closing
        return { done: true, value: undefined }
      },
    }
  }

  /** `Promise.race` with one promise for all waits would keep every piece of the body in memory until the end. */
  #wait<T>(next: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#interruptWait = () => reject(new TakenOver('a newer request has taken over the session'))
      next.then(resolve, reject)
    }).finally(() => {
      this.#interruptWait = undefined
    })
  }
}
