import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_OBJECT_BYTES, planParts } from '../../../lambda/store/s3/plan-parts.ts'

const MiB = 2 ** 20
const GiB = 2 ** 30

const size = fc.oneof(
  fc.nat({ max: 100 * MiB }),
  fc.maxSafeNat().map(number => number % (MAX_OBJECT_BYTES + 1)),
  fc.constantFrom(8 * MiB, 2_000 * 8 * MiB, 2_000 * 8 * MiB + 6_000 * 32 * MiB, MAX_OBJECT_BYTES),
)

describe('planParts', () => {
  it('begins with parts of two Lambda request bodies', () => {
    expect(planParts(0)).toEqual({ parts: 0, tail: 0, next: 8 * MiB })
    expect(planParts(8 * MiB - 1)).toEqual({ parts: 0, tail: 8 * MiB - 1, next: 8 * MiB })
    expect(planParts(8 * MiB)).toEqual({ parts: 1, tail: 0, next: 8 * MiB })
  })

  it('reaches 5 TiB, and rejects one byte more than the maximum', () => {
    expect(MAX_OBJECT_BYTES).toBeGreaterThan(5 * 2 ** 40)
    expect(planParts(MAX_OBJECT_BYTES)).toEqual({ parts: 10_000, tail: 0, next: undefined })
    expect(() => planParts(MAX_OBJECT_BYTES + 1)).toThrow(RangeError)
  })

  it('uses parts of at most 32 MiB up to 200 GiB, so that two of them fit into 64 MiB', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), any => {
        expect(planParts(any % (200 * GiB)).next).toBeLessThanOrEqual(32 * MiB)
      }),
    )
  })

  it('respects the limits of S3 for any number of bytes', () => {
    fc.assert(
      fc.property(size, bytes => {
        const { parts, tail, next = 5 * GiB } = planParts(bytes)
        expect(parts + Math.sign(tail)).toBeLessThanOrEqual(10_000)
        expect(next).toBeGreaterThanOrEqual(5 * MiB)
        expect(next).toBeLessThanOrEqual(5 * GiB)
        expect(tail).toBeLessThan(next)
      }),
    )
  })

  it('adds one part when the bytes fill it exactly', () => {
    fc.assert(
      fc.property(size, bytes => {
        const { parts, tail, next } = planParts(bytes)
        fc.pre(next !== undefined)
        const end = bytes - tail + (next ?? 0)
        expect(planParts(end)).toMatchObject({ parts: parts + 1, tail: 0 })
        expect(planParts(end - 1)).toEqual({ parts, tail: (next ?? 0) - 1, next })
        expect(planParts(bytes - tail)).toEqual({ parts, tail: 0, next })
      }),
    )
  })
})
