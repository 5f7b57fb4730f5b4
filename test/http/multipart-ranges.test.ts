import { describe, expect, it } from 'vitest'
import { openMultipart } from '../../lambda/http/multipart-ranges.ts'
import type { ByteRange } from '../../lambda/protocol/ranges.ts'

const RANGES = [0, 100, 200].map(first => ({ first, last: first + 9 }))

/** Opens a body with three ranges of ten bytes each, and counts the ranges that were opened and closed. */
async function open({ missing = false } = {}) {
  const counts = { opened: 0, closed: 0 }
  const read = async (range: ByteRange): Promise<AsyncIterable<Uint8Array>> => {
    if (missing) throw new Error('missing')
    counts.opened++
    let remaining = range.last - range.first + 1
    const iterator: AsyncIterator<Uint8Array> = {
      next: async () => {
        if (remaining-- > 0) return { done: false, value: Buffer.from('x') }
        counts.closed++
        return { done: true, value: undefined }
      },
      return: async () => {
        counts.closed++
        return { done: true, value: undefined }
      },
    }
    return { [Symbol.asyncIterator]: () => iterator }
  }
  const options = { ranges: RANGES, size: 300, mediaType: 'a/b', boundary: 'b0', read }
  return { counts, ...(await openMultipart(options)) }
}

describe('a multipart body', () => {
  it('has exactly the announced length', async () => {
    const { body, length } = await open()
    let read = 0
    for await (const piece of body) read += piece.length
    expect(read).toBe(length)
  })

  it('opens a range when the range before it has been read', async () => {
    const { body, counts } = await open()
    expect(counts.opened).toBe(1)
    for (let i = 0; i < 12; i++) await body.next()
    expect(counts).toEqual({ opened: 2, closed: 1 })
  })

  it.each([0, 1, 5, 12, 23])('leaves no range open when it is closed after %i pieces', async pieces => {
    const { body, counts } = await open()
    for (let i = 0; i < pieces; i++) await body.next()
    await body.return()
    expect(counts.closed).toBe(counts.opened)
    expect(await body.next()).toEqual({ done: true, value: undefined })
  })

  it('fails before it begins when its first range is missing', async () => {
    await expect(open({ missing: true })).rejects.toThrow('missing')
  })
})
