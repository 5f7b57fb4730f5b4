import type { Bytes } from '../store/blobs.ts'

/** How long a request may wait for its client's next bytes before a newer request for the session takes over. Milliseconds. */
export const IDLE_LIMIT = 10_000

/** A newer request has taken over the session, so the rest of this request's body is not read. */
export class TakenOver extends Error {
  override readonly name = 'TakenOver'
}

/**
 * A request that works on a session. A connection that broke without a FIN looks like a client that pauses, so only the time since its
 * last bytes tells that the request is dead.
 */
export class SessionWork {
  readonly #clock: () => number
  /** When bytes came last, or the request began. */
  #moved: number
  /** Ends the wait for bytes that is under way. */
  #interruptWait: (() => void) | undefined
  #isTakenOver = false
  readonly #ended = Promise.withResolvers<void>()

  /** @param clock milliseconds since 1970 */
  constructor(clock: () => number) {
    this.#clock = clock
    this.#moved = clock()
  }

  /** Settles when the request no longer touches the session. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** When bytes came last. Changes when the client is alive. Milliseconds since 1970. */
  get moved(): number {
    return this.#moved
  }

  /** Whether the request waits for bytes of its client. While it writes or commits it is not to be disturbed. */
  get isWaiting(): boolean {
    return this.#interruptWait !== undefined
  }

  end(): void {
    this.#ended.resolve()
  }

  /**
   * Makes the reader of {@link watch} fail with {@link TakenOver}, if the request has waited for {@link IDLE_LIMIT}. Then none of its bytes
   * will be recorded: the store's append fails, and leaves the draft as it was.
   * @returns false when the request is alive, or busy with bytes that it has
   */
  takeOver(): boolean {
    if (!this.#interruptWait || this.#clock() - this.#moved < IDLE_LIMIT) return false
    this.#isTakenOver = true
    this.#interruptWait()
    return true
  }

  /** The same bytes, noting when they come. */
  watch(bytes: Bytes): Bytes {
    return { [Symbol.asyncIterator]: () => this.#iterate(bytes[Symbol.asyncIterator]()) }
  }

  #iterate(source: AsyncIterator<Uint8Array>): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        const result = await this.#wait(source.next())
        // Bytes may have come in the moment of the interruption. They count no more.
        if (this.#isTakenOver) throw new TakenOver('a newer request has taken over the session')
        this.#moved = this.#clock()
        return result
      },
      return: async () => {
        const closing = source.return?.()
        // Behind a read that never ends, the end of the iterator does not come either.
        if (this.#isTakenOver) closing?.catch(() => {})
        else await closing
        return { done: true, value: undefined }
      },
    }
  }

  /** Not a `Promise.race` with one promise for all waits: that would remember every piece of the body until the end. */
  #wait<T>(next: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#interruptWait = () => reject(new TakenOver('a newer request has taken over the session'))
      next.then(resolve, reject)
    }).finally(() => {
      this.#interruptWait = undefined
    })
  }
}
