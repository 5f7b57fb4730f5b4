import type { FileHandle } from 'node:fs/promises'

/** Large enough for few system calls, small enough for many readers: each holds two. */
const PIECE = 512 * 1024

/**
 * The bytes of an open file from `position` up to but not including `end`. While the consumer has a piece, the next
 * one is read into a second buffer; then the two change places, so reading makes no garbage, and a piece is valid only
 * until the next is asked for. Owns the file and closes it at the end, on failure, and when the consumer stops early.
 *
 * Not a generator: one that was never started runs no `finally`, so a client that leaves before its first byte would
 * leave the file open.
 */
export class FileReader implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #file: FileHandle
  readonly #end: number
  readonly #piece: number
  /** Two at most. The one that was filled longest ago comes first. */
  readonly #buffers: Buffer[] = []
  #position: number
  #ahead: Promise<Uint8Array> | undefined
  #closed = false

  constructor(file: FileHandle, position: number, end: number) {
    this.#file = file
    this.#position = position
    this.#end = end
    this.#piece = Math.min(PIECE, end - position)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      const piece = this.#closed ? undefined : await (this.#ahead ?? this.#read())
      if (piece === undefined) return await this.return()
      this.#ahead = this.#read()
      // It is awaited by the next call; until then a failure must not count as unhandled.
      this.#ahead?.catch(() => {})
      return { done: false, value: piece }
    } catch (error) {
      await this.return()
      throw error
    }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    if (!this.#closed) {
      this.#closed = true
      await this.#ahead?.catch(() => {})
      await this.#file.close()
    }
    return { done: true, value: undefined }
  }

  /** Reads the next piece into the buffer that the consumer does not have; `undefined` at the end. */
  #read(): Promise<Uint8Array> | undefined {
    const size = Math.min(this.#piece, this.#end - this.#position)
    if (size === 0) return undefined
    const into =
      this.#buffers.length < 2 ? Buffer.allocUnsafeSlow(this.#piece) : (this.#buffers.shift() as Buffer)
    this.#buffers.push(into)
    const position = this.#position
    this.#position += size
    return fill(this.#file, into.subarray(0, size), position)
  }
}

async function fill(file: FileHandle, buffer: Buffer, start: number): Promise<Buffer> {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled)
    if (bytesRead === 0) throw new Error(`file ends at ${start + filled}, before ${start + buffer.length}`)
    filled += bytesRead
  }
  return buffer
}
