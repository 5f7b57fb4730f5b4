import type { FileHandle } from 'node:fs/promises'

/**
 * In bytes. Large enough for few system calls, and small enough for many readers: each holds two buffers of this size.
 */
const PIECE_SIZE = 512 * 1024

/**
 * Reads an open file from `position` to `end`, exclusive. While the consumer uses a piece, the next one is read into a
 * second buffer; then the buffers are swapped. Reading therefore allocates nothing, and a piece is valid only until the
 * next one is requested. The reader owns the file and closes it at the end, on failure, and when the consumer stops
 * early.
 *
 * It is not a generator: a generator that was never started does not run its `finally`, so a client that disconnects
 * before its first byte would leave the file open.
 */
export class FileReader implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #file: FileHandle
  readonly #end: number
  readonly #pieceSize: number
  /** At most two. The one that was filled first comes first. */
  readonly #buffers: Buffer[] = []
  #position: number
  #nextPiece: Promise<Uint8Array> | undefined
  #closed = false

  constructor(file: FileHandle, position: number, end: number) {
    this.#file = file
    this.#position = position
    this.#end = end
    this.#pieceSize = Math.min(PIECE_SIZE, end - position)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      const piece = this.#closed ? undefined : await (this.#nextPiece ?? this.#read())
      if (piece === undefined) return await this.return()
      this.#nextPiece = this.#read()
      // The next call awaits it. Until then Node must not report a failure as an unhandled rejection.
      this.#nextPiece?.catch(() => {})
      return { done: false, value: piece }
    } catch (error) {
      await this.return()
      throw error
    }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    if (!this.#closed) {
      this.#closed = true
      await this.#nextPiece?.catch(() => {})
      await this.#file.close()
    }
    return { done: true, value: undefined }
  }

  /** Reads the next piece into the buffer that the consumer does not use; `undefined` at the end. */
  #read(): Promise<Uint8Array> | undefined {
    const size = Math.min(this.#pieceSize, this.#end - this.#position)
    if (size === 0) return undefined
    const buffer =
      this.#buffers.length < 2 ? Buffer.allocUnsafeSlow(this.#pieceSize) : (this.#buffers.shift() as Buffer)
    this.#buffers.push(buffer)
    const position = this.#position
    this.#position += size
    return fill(this.#file, buffer.subarray(0, size), position)
  }
}

async function fill(file: FileHandle, buffer: Buffer, start: number): Promise<Buffer> {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled)
    if (bytesRead === 0)
      throw new Error(`the file ends at byte ${start + filled}, before byte ${start + buffer.length}`)
    filled += bytesRead
  }
  return buffer
}
