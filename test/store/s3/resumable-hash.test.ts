import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ResumableHash } from '../../../lambda/store/s3/resumable-hash.ts'

describe('ResumableHash', () => {
  it.each(['sha256', 'sha512'] as const)('resumes a %s saved at any position', async algorithm => {
    const chunkLists = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(chunkLists, async chunks => {
        let state: string | undefined
        const expected = createHash(algorithm)
        for (const chunk of chunks) {
          expected.update(chunk)
          state = (await ResumableHash.resume(algorithm, state)).update(chunk).save()
        }
        const hash = await ResumableHash.resume(algorithm, state)
        const hex = expected.digest('hex')
        expect(hash.digest('hex')).toBe(hex)
        expect(hash.digest('hex')).toBe(hex)
      }),
    )
  })

  it('resumes a SHA-256 that an earlier release saved', async () => {
    const earlier =
      'YSBsb25nIHdheSBmcm9tIHRoZQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABMAAAAAAAAAZ+YJaoWuZ7ty8248OvVPpX9SDlGMaAWbq9mDHxnN4FsgAAAAAAAAAA=='
    const hash = await ResumableHash.resume('sha256', earlier)

    expect(hash.update(Buffer.from(' harbour')).digest('hex')).toBe(
      createHash('sha256').update('a long way from the harbour').digest('hex'),
    )
  })

  it('resumes a SHA-512 that an earlier release saved', async () => {
    const earlier =
      'YSBsb25nIHdheSBmcm9tIHRoZQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAATAAAAAAAAAAjJvPNn5glqO6fKhIWuZ7sr+JT+cvNuPPE2HV869U+l0YLmrX9SDlEfbD4rjGgFm2u9Qfur2YMfeSF+ExnN4FtAAAAAAAAAAA=='
    const hash = await ResumableHash.resume('sha512', earlier)

    expect(hash.update(Buffer.from(' harbour')).digest('hex')).toBe(
      createHash('sha512').update('a long way from the harbour').digest('hex'),
    )
  })
})
