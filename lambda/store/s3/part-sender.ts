import { StorageFull } from '../blobs.ts'

/** Maximum number of parts in flight. More gain nothing: a few connections use the bandwidth of a task. */
const MAX_IN_FLIGHT = 4

/** Sends the part in a buffer. The signal aborts the request. */
export type Send = (signal: AbortSignal) => Promise<void>

/**
 * Sends parts, a few at a time, and owns their buffers: one buffer is being filled while the others are in flight. The
 * total size of the buffers is limited.
 */
export class PartSender {
  readonly #maxBufferBytes: number
  readonly #stop = new AbortController()
  readonly #inFlight = new Set<Promise<void>>()
  #free: Buffer[] = []
  #failure: { readonly error: unknown } | undefined

  /** @param maxBufferBytes the total size of the buffers */
  constructor(maxBufferBytes: number) {
    this.#maxBufferBytes = maxBufferBytes
  }

  /**
   * Returns a buffer for a part, and waits until one is free.
   * @param size the size of the part in bytes; `undefined` if the object can have no more parts
   * @throws {StorageFull} when two buffers of this size exceed the limit
   * @throws the error of a part that could not be sent
   */
  async buffer(size = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const maxBuffers = Math.min(1 + MAX_IN_FLIGHT, Math.floor(this.#maxBufferBytes / size))
    if (maxBuffers < 2)
      throw new StorageFull(
        `the blob is too large: two of its parts must fit into ${this.#maxBufferBytes} bytes of memory`,
      )
    while (this.#inFlight.size >= maxBuffers) await Promise.race(this.#inFlight)
    this.#throwFailure()
    // The size of the parts grows with their number. Buffers for smaller parts are dropped.
    this.#free = this.#free.filter(({ length }) => length === size)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(size)
  }

  /** Begins to send the part in a buffer. The buffer belongs to the sender again. */
  send(buffer: Buffer, send: Send): void {
    const sending = send(this.#stop.signal)
      .then(() => void this.#free.push(buffer))
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#inFlight.delete(sending))
    this.#inFlight.add(sending)
  }

  /** Resolves when every part has arrived. @throws the error of a part that could not be sent */
  async finish(): Promise<void> {
    await Promise.all(this.#inFlight)
    this.#throwFailure()
  }

  /** Aborts the requests in flight. Resolves when all of them have ended. */
  async abort(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#inFlight)
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error
  }
}
