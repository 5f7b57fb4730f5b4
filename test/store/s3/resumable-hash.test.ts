import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ResumableHash } from '../../../lambda/store/s3/resumable-hash.ts'

describe('a hash that can be put aside', () => {
  it.each(['sha256', 'sha512'] as const)('goes on as %s anywhere it was put aside', async algorithm => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(pieces, async pieces => {
        let state: string | undefined
        const expected = createHash(algorithm)
        for (const piece of pieces) {
          expected.update(piece)
          state = (await ResumableHash.resume(algorithm, state)).update(piece).save()
        }
        const hash = await ResumableHash.resume(algorithm, state)
        const hex = expected.digest('hex')
        expect(hash.digest('hex')).toBe(hex)
        expect(hash.digest('hex')).toBe(hex)
      }),
    )
  })

  it('goes on from what an earlier release put aside', async () => {
    const earlier =
      'YSBsb25nIHdheSBmcm9tIHRoZQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABMAAAAAAAAAZ+YJaoWuZ7ty8248OvVPpX9SDlGMaAWbq9mDHxnN4FsgAAAAAAAAAA=='
    const hash = await ResumableHash.resume('sha256', earlier)

    expect(hash.update(Buffer.from(' harbour')).digest('hex')).toBe(
      createHash('sha256').update('a long way from the harbour').digest('hex'),
    )
  })

  it('goes on from what an earlier release put aside of the other algorithm', async () => {
    const earlier =
      'YSBsb25nIHdheSBmcm9tIHRoZQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAATAAAAAAAAAAjJvPNn5glqO6fKhIWuZ7sr+JT+cvNuPPE2HV869U+l0YLmrX9SDlEfbD4rjGgFm2u9Qfur2YMfeSF+ExnN4FtAAAAAAAAAAA=='
    const hash = await ResumableHash.resume('sha512', earlier)

    expect(hash.update(Buffer.from(' harbour')).digest('hex')).toBe(
      createHash('sha512').update('a long way from the harbour').digest('hex'),
    )
  })
})
