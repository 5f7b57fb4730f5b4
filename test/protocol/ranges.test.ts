import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contentRange, parseChunkRange, parseRange, uploadRange } from '../../lambda/protocol/ranges.ts'
import { anyText } from '../support/arbitraries.ts'
import { codeOf, errorOf } from '../support/errors.ts'

const size = fc.integer({ min: 1, max: 10 })
const position = fc.nat(12)

describe('the Range of a GET', () => {
  it.each([
    ['bytes=500-1499', { first: 500, last: 1499 }],
    ['bytes=500-', { first: 500, last: 2047 }],
    ['bytes=-500', { first: 1548, last: 2047 }],
    ['bytes=-5000', { first: 0, last: 2047 }],
    ['bytes=0-0', { first: 0, last: 0 }],
    ['bytes=2000-5000', { first: 2000, last: 2047 }],
    ['bytes=0-99999999999999999999999999', { first: 0, last: 2047 }],
  ])('%s, of 2048 bytes', (header, range) => {
    expect(parseRange(header, 2048)).toEqual(range)
  })

  it.each(['bytes=5000-10000', 'bytes=2048-', 'bytes=500-0', 'bytes=-0', `bytes=${'9'.repeat(400)}-`])(
    '%s cannot be had of 2048 bytes',
    header => {
      const error = errorOf(() => parseRange(header, 2048))
      expect(error?.code).toBe('RANGE_INVALID')
      expect(error?.headers['content-range']).toBe('bytes */2048')
    },
  )

  it.each([
    undefined,
    '',
    'bytes=-',
    'bytes=0-1,5-6',
    'items=0-1',
    'bytes 0-1',
    'bytes=a-b',
    'bytes=1',
    'bytes=0x1-2',
    'bytes=-1-2',
    'bytes=1.5-2',
  ])('%j means the whole', header => {
    expect(parseRange(header, 2048)).toBeUndefined()
  })

  it('of empty content means the whole', () => {
    fc.assert(fc.property(position, position, (a, b) => parseRange(`bytes=${a}-${b}`, 0) === undefined))
  })

  it('takes out exactly the bytes that it names', () => {
    fc.assert(
      fc.property(size, position, position, (n, a, b) => {
        const content = [...Array(n).keys()]
        const wanted = content.filter(at => at >= a && at <= b)
        if (wanted.length === 0) return codeOf(() => parseRange(`bytes=${a}-${b}`, n)) === 'RANGE_INVALID'
        const { first = -1, last = -1 } = parseRange(`bytes=${a}-${b}`, n) ?? {}
        expect(content.slice(first, last + 1)).toEqual(wanted)
        return contentRange({ first, last }, n) === `bytes ${wanted[0]}-${wanted.at(-1)}/${n}`
      }),
    )
  })

  it('of a number alone takes that many from the end', () => {
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 12 }), (n, count) => {
        const { first = -1, last = -1 } = parseRange(`bytes=-${count}`, n) ?? {}
        expect([last, last - first + 1]).toEqual([n - 1, Math.min(n, count)])
      }),
    )
  })

  it('never leaves the content, whatever the header says', () => {
    const header = fc.oneof(
      anyText,
      fc.tuple(anyText, anyText).map(([a, b]) => `bytes=${a}-${b}`),
      fc.tuple(fc.maxSafeInteger(), fc.maxSafeInteger()).map(([a, b]) => `bytes=${a}-${b}`),
    )
    fc.assert(
      fc.property(header, fc.nat(), (text, n) => {
        let range: { first: number; last: number } | undefined
        const error = errorOf(() => {
          range = parseRange(text, n)
        })
        if (error) expect(error.code).toBe('RANGE_INVALID')
        if (range) expect(0 <= range.first && range.first <= range.last && range.last < n).toBe(true)
      }),
    )
  })
})

describe('the Content-Range of a chunk', () => {
  const span = fc.tuple(fc.nat(), fc.nat()).map(([first, more]) => ({ first, last: first + more }))

  it('is read as the spec writes it, and as HTTP does', () => {
    fc.assert(
      fc.property(span, fc.constantFrom('', '/*', '/123'), fc.boolean(), ({ first, last }, total, unit) => {
        expect(parseChunkRange(`${unit ? 'bytes ' : ''}${first}-${last}${total}`)).toEqual({ first, last })
      }),
    )
  })

  it('is read back from the Content-Range of a 206', () => {
    fc.assert(
      fc.property(span, range => {
        expect(parseChunkRange(contentRange(range, 1e9))).toEqual(range)
      }),
    )
  })

  it.each([
    '',
    '-',
    '5-4',
    '0-',
    '-5',
    'a-b',
    '0-1-2',
    'bytes=0-1',
    'bytes */5',
    '0-99999999999999999',
    '0 - 1',
  ])('is not %j', header => {
    expect(codeOf(() => parseChunkRange(header))).toBe('BLOB_UPLOAD_INVALID')
  })

  it('is refused when it is anything else', () => {
    fc.assert(fc.property(anyText, text => codeOf(() => parseChunkRange(text)) === 'BLOB_UPLOAD_INVALID'))
  })
})

describe('the Range of an upload', () => {
  it('names the last byte that is safe, without a unit, for Docker computes the size of a layer from it', () => {
    fc.assert(fc.property(fc.integer({ min: 1 }), n => uploadRange(n) === `0-${n - 1}`))
  })

  it('is 0-0 before the first byte', () => {
    expect(uploadRange(0)).toBe('0-0')
  })
})
