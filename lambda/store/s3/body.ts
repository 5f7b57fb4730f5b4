import type { Readable } from 'node:stream'
import { mapS3Errors } from './errors.ts'

/**
 * A response's body. A stream's own iterator closes nothing when it returns before its first step; this one does, so
 * that a client which leaves early leaves no connection behind.
 */
export class S3Body implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #stream: Readable
  readonly #pieces: AsyncIterator<Uint8Array, undefined>

  constructor(stream: Readable) {
    this.#stream = stream
    this.#pieces = stream[Symbol.asyncIterator]()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** @throws {StoreBusy} when the connection is lost */
  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return mapS3Errors(this.#pieces.next())
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#stream.destroy()
    return { done: true, value: undefined }
  }
}
