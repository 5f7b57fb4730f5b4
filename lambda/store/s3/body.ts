import type { Readable } from 'node:stream'
import { mapS3Errors } from './errors.ts'

/**
 * The body of an S3 response. The iterator of a Node stream does not close the stream when it returns before its first
 * `next()`. This one does, so that the connection is closed when a client disconnects early.
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

  /** @throws {StoreBusy} when the connection to S3 is lost */
  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return mapS3Errors(this.#pieces.next())
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#stream.destroy()
    return { done: true, value: undefined }
  }
}
