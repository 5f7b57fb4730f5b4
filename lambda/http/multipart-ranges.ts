import { type ByteRange, contentRange } from '../protocol/ranges.ts'

/** Several ranges of the same content, to be sent as `multipart/byteranges` (RFC 9110 section 14.6). */
interface MultipartRanges {
  readonly ranges: readonly ByteRange[]
  /** Size of the complete content, in bytes. */
  readonly size: number
  readonly mediaType: string
  /** At most 70 characters of `[0-9a-f]`. The content must not contain them. */
  readonly boundary: string
  /** Opens the bytes of one range. */
  readonly read: (range: ByteRange) => Promise<AsyncIterable<Uint8Array>>
}

interface Part {
  readonly head: Uint8Array
  readonly range: ByteRange
}

/**
 * Opens the first range, so that missing content is an error before the response begins. Each other range is opened
 * when the range before it has been read.
 * @returns the body and its exact length in bytes
 */
export async function openMultipart(
  options: MultipartRanges,
): Promise<{ readonly body: MultipartBody; readonly length: number }> {
  const { ranges, size, mediaType, boundary, read } = options
  const parts = ranges.map((range, i): Part => {
    const lines = [
      `--${boundary}`,
      `Content-Type: ${mediaType}`,
      `Content-Range: ${contentRange(range, size)}`,
      '',
      '',
    ]
    return { range, head: Buffer.from(`${i === 0 ? '' : '\r\n'}${lines.join('\r\n')}`) }
  })
  const end = Buffer.from(`\r\n--${boundary}--\r\n`)
  const length = parts.reduce(
    (sum, { head, range }) => sum + head.length + range.last - range.first + 1,
    end.length,
  )
  const [first, ...others] = parts as [Part, ...Part[]]
  return { body: new MultipartBody(first.head, await read(first.range), others, end, read), length }
}

/**
 * Holds at most one piece of the content in memory. It is not a generator, because a generator that was never started
 * does not run its `finally` block: a client that closes the connection before the first byte would leave the first
 * range open.
 */
class MultipartBody implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #remaining: Part[]
  readonly #end: Uint8Array
  readonly #read: MultipartRanges['read']
  /** The boundary and headers of the open part, until they have been sent. */
  #head: Uint8Array | undefined
  #open: AsyncIterator<Uint8Array> | undefined
  #done = false

  constructor(
    head: Uint8Array,
    bytes: AsyncIterable<Uint8Array>,
    remaining: readonly Part[],
    end: Uint8Array,
    read: MultipartRanges['read'],
  ) {
    this.#head = head
    this.#open = bytes[Symbol.asyncIterator]()
    this.#remaining = [...remaining]
    this.#end = end
    this.#read = read
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#head) {
      const value = this.#head
      this.#head = undefined
      return { done: false, value }
    }
    if (this.#done || !this.#open) return { done: true, value: undefined }
    const { done, value } = await this.#open.next()
    return done ? this.#nextPart() : { done: false, value }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#done = true
    this.#head = undefined
    const open = this.#open
    this.#open = undefined
    await open?.return?.()
    return { done: true, value: undefined }
  }

  async #nextPart(): Promise<IteratorResult<Uint8Array, undefined>> {
    const part = this.#remaining.shift()
    this.#open = undefined
    if (!part) {
      this.#done = true
      return { done: false, value: this.#end }
    }
    const bytes = (await this.#read(part.range))[Symbol.asyncIterator]()
    if (this.#done) await bytes.return?.()
    else this.#open = bytes
    return this.#done ? { done: true, value: undefined } : { done: false, value: part.head }
  }
}
