import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { S3Blobs } from '../../lambda/store/s3/blobs.ts'
import { jsonRoundTrip } from '../contracts/blobs-model.ts'
import { bytesOf, digestBytes, patternBytes } from '../support/bytes.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { openRegistry } from '../support/registry.ts'
import { Crashed, crashingStore } from '../support/s3-bucket.ts'
import { describeWithS3, MiB, PART } from './s3-blobs-fixture.ts'

describeWithS3('S3Blobs after a crash', fixture => {
  const { open, begin, append, contentOf, remainingKeys } = fixture

  describe('after a crash', () => {
    const chunks = [4 * MiB, 4 * MiB + 100, 3 * MiB].map((size, seed) => patternBytes(size, seed + 1))
    const whole = Buffer.concat(chunks)

    /** After a crash, the next process repeats the step from the last draft. */
    const upload = async (object: string, stores: Iterator<S3Blobs, S3Blobs>, closing: boolean) => {
      let store = stores.next().value
      let crashes = 0
      const attempt = async <T>(step: () => Promise<T>): Promise<T> => {
        try {
          return await step()
        } catch (error) {
          if (!(error instanceof Crashed)) throw error
          crashes++
          store = stores.next().value
          return step()
        }
      }
      let draft = store.begin(object, 'sha256')
      for (const chunk of chunks) {
        const last = closing && chunk === chunks.at(-1)
        const digest = last ? digestBytes('sha256', whole) : undefined
        draft = await attempt(async () => jsonRoundTrip(await store.append(draft, bytesOf(chunk), digest)))
      }
      await attempt(() => store.commit(draft))
      return { draft, crashes }
    }
    function* first(store: S3Blobs): Iterator<S3Blobs, S3Blobs> {
      yield store
      for (;;) yield open()
    }

    it.each([
      ['before', false, false],
      ['after', true, false],
      ['before', false, true],
      ['after', true, true],
    ])(
      '%s any request, the upload can continue (request done: %s, digest known at the last bytes: %s)',
      async (_, done, closing) => {
        let survived = 0
        for (let n = 1; ; n++) {
          const { draft, crashes } = await upload(
            randomUUID(),
            first(crashingStore(fixture.server, n, done)),
            closing,
          )
          expect(whole.equals(await contentOf(draft.object))).toBe(true)
          await open().discard(draft)
          expect(await remainingKeys(draft.object)).toEqual([])
          if (crashes === 0) break
          survived++
        }
        expect(survived).toBeGreaterThan(6)
      },
    )

    it.each(['before', 'after'])(
      '%s any request of a discard, a repeated discard deletes everything',
      async when => {
        for (let n = 1; n < 7; n++) {
          const draft = await append(open(), begin(open()), patternBytes(PART + 1))
          await append(open(), draft, 'lost')
          await crashingStore(fixture.server, n, when === 'after')
            .discard(draft)
            .catch(() => {})
          await open().discard(draft)
          expect(await remainingKeys(draft.object)).toEqual([])
        }
      },
    )

    it('discards the bytes that were appended after the draft was read', async () => {
      const draft = begin(open())
      await append(open(), draft, patternBytes(PART + 1))
      expect(await remainingKeys(draft.object)).toHaveLength(2)
      await open().discard(draft)

      expect(await remainingKeys(draft.object)).toEqual([])
    })
  })

  describe('a session whose bytes were hashed by several processes', () => {
    const chunks = [PART + 5, 3 * MiB, 2 * MiB].map((size, seed) => patternBytes(size, seed + 1))
    const [first, second, last] = chunks as [Buffer, Buffer, Buffer]
    const digest = digestBytes('sha256', Buffer.concat(chunks))

    /** Each request goes to another process. */
    async function uploading() {
      const table = new MemoryTable()
      const process = (store = open()) => openRegistry({ table, store })
      const location = await process().beginUpload('app')
      for (const body of [first, second]) await process().expectStatus(202, 'PATCH', location, { body })
      return { process, location, finish: `${location}?digest=${digest}` }
    }

    it.each([false, true])('ends with a repeated PUT after a crash (request done: %s)', async done => {
      for (let n = 1, died = true; died; n++) {
        const { process, finish } = await uploading()
        const response = await process(crashingStore(fixture.server, n, done)).request('PUT', finish, {
          body: last,
        })
        died = response.status !== 201

        expect(died || n > 6).toBe(true)
        await process().expectStatus(201, 'PUT', finish, { body: last })
      }
    })

    it('ends when the bytes have another digest', async () => {
      const { process, location, finish } = await uploading()
      await process().expectStatus(400, 'PUT', finish, { body: patternBytes(last.length, 9) })

      await process().expectStatus(404, 'GET', location)
      await process().expectStatus(404, 'PUT', finish, { body: last })
    })
  })
})
