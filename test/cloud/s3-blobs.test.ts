import { describe, expect, it } from 'vitest'
import { DraftBusy, ObjectMissing } from '../../lambda/store/blobs.ts'
import { Bucket } from '../../lambda/store/s3/bucket.ts'
import { checksumOf } from '../../lambda/store/s3/draft-state.ts'
import { blobsContract } from '../contracts/blobs.ts'
import { bytesOf, digestBytes, patternBytes } from '../support/bytes.ts'
import { describeWithS3, MiB, PART } from './s3-blobs-fixture.ts'

describeWithS3('S3Blobs', fixture => {
  const { open, begin, append, contentOf, remainingKeys } = fixture

  blobsContract(async () => ({ store: open(), reopen: async () => open() }))

  describe('parts', () => {
    it.each([
      ['exactly one part', [PART]],
      ['one byte more than a part', [PART, 1]],
      ['one byte less than a part, then two bytes', [PART - 1, 2]],
      ['chunks of Lambda size', [4, 4, 4, 4, 3].map(size => size * MiB)],
      ['two parts and a half at once', [2.5 * PART]],
      ['a stream after a chunk', [3, 3 * PART]],
    ])('make an object of %s', async (_, sizes) => {
      const whole = patternBytes(sizes.reduce((a, b) => a + b))
      let draft = begin(open())
      for (const size of sizes)
        draft = await append(open(), draft, whole.subarray(draft.size, draft.size + size))
      expect(await open().digest(draft, 'sha256')).toBe(digestBytes('sha256', whole))
      await open().commit(draft)

      expect(whole.equals(await contentOf(draft.object))).toBe(true)
      expect(await remainingKeys(draft.object)).toEqual([`blobs/${draft.object}`])
    })

    it('are read again for another algorithm, and in a process that has not hashed them', async () => {
      const whole = patternBytes(2 * PART + 10)
      const store = open()
      const first = await append(store, begin(store), whole.subarray(0, PART + 5))
      const here = await append(store, first, whole.subarray(PART + 5))
      expect(await store.digest(here, 'sha256')).toBe(digestBytes('sha256', whole))
      const elsewhere = await append(open(), first, whole.subarray(PART + 5))

      expect(await open().digest(elsewhere, 'sha256')).toBe(digestBytes('sha256', whole))
      expect(await open().digest(elsewhere, 'sha512')).toBe(digestBytes('sha512', whole))
      await open().commit(elsewhere)
      expect(whole.equals(await contentOf(first.object))).toBe(true)
    })

    it('keep the draft small enough for a row, for any number of parts', async () => {
      const draft = await append(open(), begin(open()), patternBytes(5 * PART + 1))

      expect(JSON.stringify(draft).length).toBeLessThan(1_000)
    })

    it('take at most 64 MiB of memory, for a stream of any length', async () => {
      const chunk = patternBytes(64 * 1024)
      let maximum = 0
      async function* stream() {
        for (let sent = 0; sent < 512 * MiB; sent += chunk.length) {
          yield chunk
          if (sent % MiB === 0) maximum = Math.max(maximum, process.memoryUsage().arrayBuffers)
        }
      }
      const before = process.memoryUsage().arrayBuffers
      const store = open()
      const draft = await store.append(begin(store), stream())
      await store.discard(draft)

      expect((maximum - before) / MiB).toBeLessThan(64)
    })
  })

  describe('between processes', () => {
    it('rejects a draft whose tail another process has written, and continues with the other draft', async () => {
      const kept = await append(open(), begin(open()), 'both, ')
      const one = await append(open(), kept, 'one')
      const two = await append(open(), kept, 'two')

      await expect(append(open(), one, '!')).rejects.toBeInstanceOf(DraftBusy)
      await expect(open().commit(one)).rejects.toBeInstanceOf(DraftBusy)
      await open().commit(await append(open(), two, '!'))
      expect((await contentOf(kept.object)).toString()).toBe('both, two!')
    })

    it('rejects a draft of which another process has written a part', async () => {
      const kept = await append(open(), begin(open()), patternBytes(PART + 1))
      const one = await append(open(), kept, patternBytes(PART, 1))
      const two = await append(open(), kept, patternBytes(PART, 2))

      await expect(open().commit(one)).rejects.toBeInstanceOf(DraftBusy)
      expect(await open().stat(kept.object)).toBeUndefined()
      await open().commit(two)
      await expect(open().commit(one)).rejects.toBeInstanceOf(DraftBusy)
      expect(await open().stat(kept.object)).toEqual({ size: 2 * PART + 1 })
    })

    it('accepts the same bytes twice, as from a client that repeats a request', async () => {
      const kept = await append(open(), begin(open()), patternBytes(PART + 1))
      const again = () => append(open(), kept, patternBytes(PART, 1))
      const [one] = await Promise.all([again(), again()])
      await open().commit(one)

      expect(await open().stat(kept.object)).toEqual({ size: 2 * PART + 1 })
    })

    it.each([1, PART + 1])('lets concurrent commits of one draft of %i bytes succeed', async size => {
      const draft = await append(open(), begin(open()), patternBytes(size))
      await Promise.all(Array.from({ length: 4 }, () => open().commit(draft).catch(busy)))
      await open().commit(draft)

      expect(await open().stat(draft.object)).toEqual({ size })
    })

    it.each(['committed', 'discarded'])('rejects a draft that another process has %s', async done => {
      const draft = await append(open(), begin(open()), patternBytes(PART))
      await (done === 'committed' ? open().commit(draft) : open().discard(draft))

      await expect(append(open(), draft, patternBytes(PART, 1))).rejects.toBeInstanceOf(ObjectMissing)
    })

    it('lets one of two closing requests with different bytes succeed', async () => {
      const draft = begin(open())
      const close = async (bytes: string) => {
        const closed = await open().append(draft, bytesOf(bytes), digestBytes('sha256', bytes))
        await open().commit(closed)
        return bytes
      }
      const outcomes = await Promise.all(['one', 'two'].map(bytes => close(bytes).catch(busy)))
      const won = outcomes.filter(outcome => outcome !== undefined)

      expect(won).toEqual([(await contentOf(draft.object)).toString()])
    })
  })

  it('makes S3 verify checksums', async () => {
    const bucket = new Bucket(fixture.server.client, fixture.server.settings.bucket)
    const put = bucket.put('blobs/wrong', Buffer.from('x'), checksumOf(Buffer.from('y')), false)

    await expect(put).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } })
    expect(await bucket.head('blobs/wrong')).toBeUndefined()
  })
})

function busy(error: unknown): void {
  expect(error).toBeInstanceOf(DraftBusy)
}
