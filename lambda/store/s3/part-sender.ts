import { StorageFull } from '../blobs.ts'

/** Parts in flight at once, while they are small. More gain nothing: a few connections fill what a task has. */
const MOST_IN_FLIGHT = 4

/** Sends the part in a buffer. The signal says that nobody waits for it any more. */
export type Send = (signal: AbortSignal) => Promise<void>

/**
 * Sends parts, a few at a time, and owns the buffers that they are gathered in: one is being filled while the others are
 * in flight, and all of them take no more than `memory`, however long it goes on.
 */
export class PartSender {
  readonly #memory: number
  readonly #stop = new AbortController()
  readonly #inFlight = new Set<Promise<void>>()
  #free: Buffer[] = []
  #failure: { readonly error: unknown } | undefined

  constructor(memory: number) {
    this.#memory = memory
  }

  /**
   * A buffer for a part of so many bytes, when there is room for it.
   * @param size `undefined` behind the last part that there can be
   * @throws {StorageFull} when the memory holds no two of them; the error of a part that could not be sent
   */
  async buffer(size = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const most = Math.min(1 + MOST_IN_FLIGHT, Math.floor(this.#memory / size))
    if (most < 2)
      throw new StorageFull(`${this.#memory} bytes of memory are too few for the parts of so large a blob`)
    while (this.#inFlight.size >= most) await Promise.race(this.#inFlight)
    this.#throwFailure()
    // Parts grow: the buffers of smaller ones are let go.
    this.#free = this.#free.filter(({ length }) => length === size)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(size)
  }

  /** Begins to send a part, whose buffer is the sender's again. */
  send(buffer: Buffer, send: Send): void {
    const sending = send(this.#stop.signal)
      .then(() => void this.#free.push(buffer))
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#inFlight.delete(sending))
    this.#inFlight.add(sending)
  }

  /** Every part has arrived. @throws the error of one that has not */
  async finish(): Promise<void> {
    await Promise.all(this.#inFlight)
    this.#throwFailure()
  }

  /** Gives up what is in flight. Resolves when nothing is any more. */
  async abort(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#inFlight)
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error
  }
}
