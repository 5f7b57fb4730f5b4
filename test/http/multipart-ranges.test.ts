import { describe, expect, it } from 'vitest'
import { openMultipart } from '../../lambda/http/multipart-ranges.ts'
import type { ByteRange } from '../../lambda/protocol/ranges.ts'

const RANGES = [0, 100, 200].map(first => ({ first, last: first + 9 }))

/** Opens parts of ten bytes each, and counts the parts that are open. */
async function open({ missing = false } = {}) {
  const seen = { opened: 0, closed: 0 }
  const read = async (range: ByteRange): Promise<AsyncIterable<Uint8Array>> => {
    if (missing) throw new Error('missing')
    seen.opened++
    let left = range.last - range.first + 1
    const iterator: AsyncIterator<Uint8Array> = {
      next: async () => {
        if (left-- > 0) return { done: false, value: Buffer.from('x') }
        seen.closed++
        return { done: true, value: undefined }
      },
      return: async () => {
        seen.closed++
        return { done: true, value: undefined }
      },
    }
    return { [Symbol.asyncIterator]: () => iterator }
  }
  const about = { ranges: RANGES, size: 300, mediaType: 'a/b', boundary: 'b0', read }
  return { seen, ...(await openMultipart(about)) }
}

describe('a multipart body', () => {
  it('has exactly the length that it says', async () => {
    const { body, length } = await open()
    let sent = 0
    for await (const piece of body) sent += piece.length
    expect(sent).toBe(length)
  })

  it('opens a part when the one before has been read', async () => {
    const { body, seen } = await open()
    expect(seen.opened).toBe(1)
    for (let i = 0; i < 12; i++) await body.next()
    expect(seen).toEqual({ opened: 2, closed: 1 })
  })

  it.each([0, 1, 5, 12, 23])('leaves nothing open when the client goes after %i pieces', async pieces => {
    const { body, seen } = await open()
    for (let i = 0; i < pieces; i++) await body.next()
    await body.return()
    expect(seen.closed).toBe(seen.opened)
    expect(await body.next()).toEqual({ done: true, value: undefined })
  })

  it('is refused before it begins when its first part is missing', async () => {
    await expect(open({ missing: true })).rejects.toThrow('missing')
  })
})
