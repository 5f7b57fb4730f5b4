import { describe, expect, it } from 'vitest'
import { DraftBusy, ObjectMissing } from '../../lambda/store/blobs.ts'
import { Bucket } from '../../lambda/store/s3/bucket.ts'
import { checksumOf } from '../../lambda/store/s3/draft-state.ts'
import { blobsContract } from '../contracts/blobs.ts'
import { bytesOf, digestBytes, patternBytes } from '../support/bytes.ts'
import { describeWithS3, MiB, PART } from './s3-blobs-fixture.ts'

describeWithS3('S3Blobs', fixture => {
  const { open, begin, append, contentOf, left } = fixture

  blobsContract(async () => ({ store: open(), reopen: async () => open() }))

  describe('parts', () => {
    it.each([
      ['one part to the byte', [PART]],
      ['a byte more than a part', [PART, 1]],
      ['a byte less, and then two', [PART - 1, 2]],
      ['bodies of Lambda', [4, 4, 4, 4, 3].map(size => size * MiB)],
      ['two parts and a half at once', [2.5 * PART]],
      ['a stream behind a chunk', [3, 3 * PART]],
    ])('make an object of %s', async (_, sizes) => {
      const whole = patternBytes(sizes.reduce((a, b) => a + b))
      let draft = begin(open())
      for (const size of sizes)
        draft = await append(open(), draft, whole.subarray(draft.size, draft.size + size))
      expect(await open().digest(draft, 'sha256')).toBe(digestBytes('sha256', whole))
      await open().commit(draft)

      expect(whole.equals(await contentOf(draft.object))).toBe(true)
      expect(await left(draft.object)).toEqual([`blobs/${draft.object}`])
    })

    it('are read again for another algorithm, and where the process is gone that hashed them', async () => {
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

    it('keep the draft small enough for a row, however many there are', async () => {
      const draft = await append(open(), begin(open()), patternBytes(5 * PART + 1))

      expect(JSON.stringify(draft).length).toBeLessThan(1_000)
    })

    it('are gathered in 64 MiB, however long the stream', async () => {
      const piece = patternBytes(64 * 1024)
      let most = 0
      async function* stream() {
        for (let sent = 0; sent < 512 * MiB; sent += piece.length) {
          yield piece
          if (sent % MiB === 0) most = Math.max(most, process.memoryUsage().arrayBuffers)
        }
      }
      const before = process.memoryUsage().arrayBuffers
      const store = open()
      const draft = await store.append(begin(store), stream())
      await store.discard(draft)

      expect((most - before) / MiB).toBeLessThan(64)
    })
  })

  describe('between processes', () => {
    it('gives up a draft whose tail another process has written, and goes on with the other', async () => {
      const kept = await append(open(), begin(open()), 'both, ')
      const one = await append(open(), kept, 'one')
      const two = await append(open(), kept, 'two')

      await expect(append(open(), one, '!')).rejects.toBeInstanceOf(DraftBusy)
      await expect(open().commit(one)).rejects.toBeInstanceOf(DraftBusy)
      await open().commit(await append(open(), two, '!'))
      expect((await contentOf(kept.object)).toString()).toBe('both, two!')
    })

    it('gives up a draft one of whose parts another process has written', async () => {
      const kept = await append(open(), begin(open()), patternBytes(PART + 1))
      const one = await append(open(), kept, patternBytes(PART, 1))
      const two = await append(open(), kept, patternBytes(PART, 2))

      await expect(open().commit(one)).rejects.toBeInstanceOf(DraftBusy)
      expect(await open().stat(kept.object)).toBeUndefined()
      await open().commit(two)
      await expect(open().commit(one)).rejects.toBeInstanceOf(DraftBusy)
      expect(await open().stat(kept.object)).toEqual({ size: 2 * PART + 1 })
    })

    it('takes the same bytes twice, from a client that lost its patience', async () => {
      const kept = await append(open(), begin(open()), patternBytes(PART + 1))
      const again = () => append(open(), kept, patternBytes(PART, 1))
      const [one] = await Promise.all([again(), again()])
      await open().commit(one)

      expect(await open().stat(kept.object)).toEqual({ size: 2 * PART + 1 })
    })

    it.each([1, PART + 1])('lets all succeed that commit one draft of %i bytes at once', async size => {
      const draft = await append(open(), begin(open()), patternBytes(size))
      await Promise.all(Array.from({ length: 4 }, () => open().commit(draft).catch(busy)))
      await open().commit(draft)

      expect(await open().stat(draft.object)).toEqual({ size })
    })

    it.each(['committed', 'discarded'])('finds no draft to go on with that another has %s', async done => {
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

  it('has S3 verify what it is sent', async () => {
    const bucket = new Bucket(fixture.server.client, fixture.server.settings.bucket)
    const put = bucket.put('blobs/wrong', Buffer.from('x'), checksumOf(Buffer.from('y')), false)

    await expect(put).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } })
    expect(await bucket.head('blobs/wrong')).toBeUndefined()
  })
})

function busy(error: unknown): void {
  expect(error).toBeInstanceOf(DraftBusy)
}
