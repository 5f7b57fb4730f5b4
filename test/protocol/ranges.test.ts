import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ByteRange,
  contentRange,
  parseChunkRange,
  parseRanges,
  uploadRange,
} from '../../lambda/protocol/ranges.ts'
import { anyText } from '../support/arbitraries.ts'
import { codeOf, errorOf } from '../support/errors.ts'

/** Parses a header that yields one range at most. */
const parseRange = (header: string | undefined, size: number): ByteRange | undefined => {
  const ranges = parseRanges(header, size)
  if (ranges) expect(ranges).toHaveLength(1)
  return ranges?.[0]
}

const size = fc.integer({ min: 1, max: 10 })
const position = fc.nat(12)

describe('a Range header with several ranges', () => {
  it.each<[string, [number, number][]]>([
    [
      'bytes=0-1,5-6',
      [
        [0, 1],
        [5, 6],
      ],
    ],
    [
      'bytes=0-1 , ,5-6',
      [
        [0, 1],
        [5, 6],
      ],
    ],
    [
      'bytes=5-6,0-1',
      [
        [5, 6],
        [0, 1],
      ],
    ],
    ['bytes=0-1,2-3', [[0, 3]]],
    ['BYTES=0-1,2-3', [[0, 3]]],
    [
      'bytes=0-5,3-9,20-20',
      [
        [0, 9],
        [20, 20],
      ],
    ],
    [
      'bytes=-2,0-0',
      [
        [98, 99],
        [0, 0],
      ],
    ],
    ['bytes=0-0,500-600', [[0, 0]]],
    [
      'bytes=0-0,9-8,50-',
      [
        [0, 0],
        [50, 99],
      ],
    ],
    ['bytes=0-,1-2', [[0, 99]]],
    [`bytes=${Array.from({ length: 100 }, (_, i) => `${i}-${i}`).join(',')}`, [[0, 99]]],
    [
      `bytes=${Array.from({ length: 16 }, (_, i) => `${i * 3}-${i * 3 + 1}`).join(',')}`,
      Array.from({ length: 16 }, (_, i) => [i * 3, i * 3 + 1]),
    ],
  ])('%s, of 100 bytes', (header, expected) => {
    expect(parseRanges(header, 100)).toEqual(expected.map(([first, last]) => ({ first, last })))
  })

  it('is rejected when all ranges are outside the content', () => {
    expect(codeOf(() => parseRanges('bytes=100-,200-300,-0', 100))).toBe('RANGE_INVALID')
  })

  it('yields each requested byte once and no other, in ranges that are not adjacent', () => {
    const pairs = fc.array(fc.tuple(position, position), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), pairs, (n, pairs) => {
        const expected = [...Array(n).keys()].filter(at => pairs.some(([a, b]) => at >= a && at <= b))
        const header = `bytes=${pairs.map(([a, b]) => `${a}-${b}`).join(',')}`
        if (expected.length === 0) return codeOf(() => parseRanges(header, n)) === 'RANGE_INVALID'
        const ranges = parseRanges(header, n) ?? []
        const bytes = ranges.flatMap(({ first, last }) =>
          [...Array(last - first + 1).keys()].map(i => first + i),
        )
        expect(bytes.sort((a, b) => a - b)).toEqual(expected)
        return ranges.every(({ last }) => !ranges.some(({ first }) => first === last + 1))
      }),
    )
  })
})

describe('a Range header', () => {
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
    '%s is rejected for 2048 bytes',
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
    'bytes=0-1,5-a',
    'bytes=,',
    `bytes=${Array.from({ length: 17 }, (_, i) => `${i * 3}-${i * 3 + 1}`).join(',')}`,
    'items=0-1',
    'bytes 0-1',
    'bytes=a-b',
    'bytes=1',
    'bytes=0x1-2',
    'bytes=-1-2',
    'bytes=1.5-2',
  ])('%j yields the complete content', header => {
    expect(parseRange(header, 2048)).toBeUndefined()
  })

  it('yields the complete content when that is empty', () => {
    fc.assert(fc.property(position, position, (a, b) => parseRange(`bytes=${a}-${b}`, 0) === undefined))
  })

  it('yields exactly the requested bytes', () => {
    fc.assert(
      fc.property(size, position, position, (n, a, b) => {
        const content = [...Array(n).keys()]
        const expected = content.filter(at => at >= a && at <= b)
        if (expected.length === 0) return codeOf(() => parseRange(`bytes=${a}-${b}`, n)) === 'RANGE_INVALID'
        const { first = -1, last = -1 } = parseRange(`bytes=${a}-${b}`, n) ?? {}
        expect(content.slice(first, last + 1)).toEqual(expected)
        return contentRange({ first, last }, n) === `bytes ${expected[0]}-${expected.at(-1)}/${n}`
      }),
    )
  })

  it('yields that many bytes from the end for a suffix range', () => {
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 12 }), (n, count) => {
        const { first = -1, last = -1 } = parseRange(`bytes=-${count}`, n) ?? {}
        expect([last, last - first + 1]).toEqual([n - 1, Math.min(n, count)])
      }),
    )
  })

  it('never yields bytes outside the content, for any header', () => {
    const header = fc.oneof(
      anyText,
      fc.tuple(anyText, anyText).map(([a, b]) => `bytes=${a}-${b}`),
      fc.tuple(fc.maxSafeInteger(), fc.maxSafeInteger()).map(([a, b]) => `bytes=${a}-${b}`),
    )
    fc.assert(
      fc.property(header, fc.nat(), (text, n) => {
        let ranges: readonly ByteRange[] = []
        const error = errorOf(() => {
          ranges = parseRanges(text, n) ?? []
        })
        if (error) expect(error.code).toBe('RANGE_INVALID')
        for (const { first, last } of ranges) expect(0 <= first && first <= last && last < n).toBe(true)
      }),
    )
  })
})

describe('the Content-Range of a chunk', () => {
  const span = fc.tuple(fc.nat(), fc.nat()).map(([first, more]) => ({ first, last: first + more }))

  it('is parsed in the form of the spec and in the form of HTTP', () => {
    fc.assert(
      fc.property(span, fc.constantFrom('', '/*', '/123'), fc.boolean(), ({ first, last }, total, unit) => {
        expect(parseChunkRange(`${unit ? 'bytes ' : ''}${first}-${last}${total}`)).toEqual({ first, last })
      }),
    )
  })

  it('is parsed from the Content-Range of a 206', () => {
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
  ])('must not be %j', header => {
    expect(codeOf(() => parseChunkRange(header))).toBe('BLOB_UPLOAD_INVALID')
  })

  it('is rejected for any other text', () => {
    fc.assert(fc.property(anyText, text => codeOf(() => parseChunkRange(text)) === 'BLOB_UPLOAD_INVALID'))
  })
})

describe('the Range of an upload session', () => {
  it('names the last stored byte without a unit, because Docker computes the size of a layer from it', () => {
    fc.assert(fc.property(fc.integer({ min: 1 }), n => uploadRange(n) === `0-${n - 1}`))
  })

  it('is 0-0 before the first byte', () => {
    expect(uploadRange(0)).toBe('0-0')
  })
})
