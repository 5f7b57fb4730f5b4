import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Algorithm } from '../../lambda/protocol/digest.ts'
import { type BlobStore, type Draft, DraftBusy, ObjectMissing } from '../../lambda/store/blobs.ts'
import { bytesOf, bytesThenError, collect, digestBytes, patternBytes } from '../support/bytes.ts'
import { runs } from '../support/property-runs.ts'
import { jsonRoundTrip, Model, steps } from './blobs-model.ts'

/** An empty store. */
interface OpenedStore {
  readonly store: BlobStore
  /** Opens the same store again, as a new process does. */
  readonly reopen: () => Promise<BlobStore>
}

const TIMEOUT_MS = 60_000

/** The contract of {@link BlobStore}. The test file of each adapter calls this once. */
export function blobsContract(create: () => Promise<OpenedStore>): void {
  describe('the blob store contract', () => {
    let store: BlobStore
    let reopen: () => Promise<BlobStore>
    beforeEach(async () => {
      ;({ store, reopen } = await create())
    })

    const begin = (algorithm: Algorithm = 'sha256') => jsonRoundTrip(store.begin(randomUUID(), algorithm))
    const append = async (draft: Draft, ...pieces: (string | Uint8Array)[]) =>
      jsonRoundTrip(await store.append(draft, bytesOf(...pieces)))
    const commit = async (...pieces: (string | Uint8Array)[]) => {
      const draft = await append(begin(), ...pieces)
      await store.commit(draft)
      return draft.object
    }
    const text = async (object: string) => (await collect(await store.read(object))).toString()

    describe('append', () => {
      it('begins with a draft of no bytes', () => {
        expect(begin('sha512')).toMatchObject({ size: 0, algorithm: 'sha512' })
      })

      it('stores the same bytes for any division into pieces', async () => {
        const whole = patternBytes(3_000_000)
        let draft = begin()
        for (const [first, end] of [
          [0, 1],
          [1, 1_500_000],
          [1_500_000, 3_000_000],
        ] as const)
          draft = await append(draft, whole.subarray(first, first + 1), whole.subarray(first + 1, end))
        await store.commit(draft)

        expect(draft.size).toBe(whole.length)
        expect(whole.equals(await collect(await store.read(draft.object)))).toBe(true)
      })

      it('accepts thousands of tiny pieces', async () => {
        const whole = patternBytes(5_000)
        const object = await commit(...Array.from(whole, byte => Buffer.of(byte)))

        expect(whole.equals(await collect(await store.read(object)))).toBe(true)
      })

      it('continues the draft of an ended process', async () => {
        const draft = await append(begin(), 'before, ')
        store = await reopen()
        const longer = await append(draft, 'after')
        await store.commit(longer)

        expect(await store.digest(longer, 'sha256')).toBe(digestBytes('sha256', 'before, after'))
        expect(await text(draft.object)).toBe('before, after')
      })

      it('continues a kept draft, without the bytes of a later append whose draft was lost', async () => {
        const kept = await append(begin(), 'kept')
        await append(kept, ', and lost with the response')
        const draft = await append(kept, ', again')
        await store.commit(draft)

        expect(await store.digest(draft, 'sha256')).toBe(digestBytes('sha256', 'kept, again'))
        expect(await text(draft.object)).toBe('kept, again')
      })

      it('does not affect a commit of the previous draft', async () => {
        const kept = await append(begin(), 'kept')
        await append(kept, ', and lost with the response')
        await store.commit(kept)

        expect(await text(kept.object)).toBe('kept')
        expect(await store.stat(kept.object)).toEqual({ size: 4 })
      })

      it('rejects with the same error that the bytes threw', async () => {
        const error = Object.assign(new Error('gone'), { code: 'ENOSPC' })

        await expect(store.append(begin(), bytesThenError(error, 'some'))).rejects.toBe(error)
      })

      it.each([10, 5_000_000])('leaves the draft valid when the bytes fail after %i', async length => {
        const draft = await append(begin(), 'kept')
        await store.append(draft, bytesThenError(new Error('gone'), patternBytes(length))).catch(() => {})
        expect(await store.digest(draft, 'sha256')).toBe(digestBytes('sha256', 'kept'))

        const longer = await append(draft, ', again')
        await store.commit(longer)

        expect(await store.digest(longer, 'sha256')).toBe(digestBytes('sha256', 'kept, again'))
        expect(await text(draft.object)).toBe('kept, again')
      })

      it('leaves the draft ready for a commit when the bytes fail', async () => {
        const draft = await append(begin(), 'kept')
        await store.append(draft, bytesThenError(new Error('gone'), patternBytes(5_000_000))).catch(() => {})
        await store.commit(draft)

        expect(await text(draft.object)).toBe('kept')
      })

      it('rejects the second of two writers without effect on the first', async () => {
        const draft = await append(begin(), 'both had this, ')
        const second = Promise.withResolvers<void>()
        async function* slowly() {
          yield Buffer.from('the first ')
          await second.promise
          yield Buffer.from('wins')
        }
        const first = store.append(draft, slowly())
        await expect(store.append(draft, bytesOf('the second'))).rejects.toBeInstanceOf(DraftBusy)
        await expect(store.commit(draft)).rejects.toBeInstanceOf(DraftBusy)
        second.resolve()
        const longer = jsonRoundTrip(await first)
        await store.commit(longer)

        const expected = 'both had this, the first wins'
        expect(await store.digest(longer, 'sha256')).toBe(digestBytes('sha256', expected))
        expect(await text(draft.object)).toBe(expected)
      })

      it('accepts the next writer after one has failed', async () => {
        const draft = begin()
        await store.append(draft, bytesThenError(new Error('gone'), 'some')).catch(() => {})

        expect(await append(draft, 'next')).toMatchObject({ size: 4 })
      })
    })

    describe('digest', () => {
      it.each(['sha256', 'sha512'] as const)('returns the %s of no bytes', async algorithm => {
        expect(await store.digest(begin(algorithm), algorithm)).toBe(digestBytes(algorithm, ''))
      })

      it.each(['sha256', 'sha512'] as const)(
        'returns the %s for any algorithm of the draft',
        async algorithm => {
          for (const own of ['sha256', 'sha512'] as const) {
            const draft = await append(await append(begin(own), 'one, '), 'two')
            expect(await store.digest(draft, algorithm)).toBe(digestBytes(algorithm, 'one, two'))
          }
        },
      )

      it('can be called twice, and between appends', async () => {
        const draft = await append(begin(), 'one, ')
        expect(await store.digest(draft, 'sha256')).toBe(await store.digest(draft, 'sha256'))
        const longer = await append(draft, 'two')

        expect(await store.digest(longer, 'sha256')).toBe(digestBytes('sha256', 'one, two'))
      })
    })

    describe('commit', () => {
      it('is required before an object can be read', async () => {
        const { object } = await append(begin(), 'hidden')

        expect(await store.stat(object)).toBeUndefined()
        await expect(store.read(object)).rejects.toBeInstanceOf(ObjectMissing)
      })

      it('creates an object of no bytes, after no append or an empty one', async () => {
        const untouched = begin()
        await store.commit(untouched)
        const object = await commit()

        for (const name of [untouched.object, object]) {
          expect(await store.stat(name)).toEqual({ size: 0 })
          expect(await text(name)).toBe('')
        }
      })

      it('can be repeated, also by another process', async () => {
        const draft = await append(begin(), 'once')
        await store.commit(draft)
        await store.commit(draft)
        store = await reopen()
        await store.commit(draft)

        expect(await text(draft.object)).toBe('once')
      })

      it('keeps the object visible while it is repeated', async () => {
        const draft = await append(begin(), 'there')
        await store.commit(draft)
        let committing = true
        const again = (async () => {
          for (let times = 0; times < 20; times++) await store.commit(draft)
          committing = false
        })()
        while (committing) expect(await store.stat(draft.object)).toEqual({ size: 5 })
        await again
      })

      it.each(['one', 'one, two', 'three'])(
        'fixes the bytes of the object: an older draft cannot change them to %j',
        async other => {
          const kept = await append(begin(), 'one')
          const longer = await append(kept, ', two')
          await store.commit(longer)
          const stale = other === 'one' ? kept : jsonRoundTrip({ ...kept, size: 0, state: null })
          const changeObject = async () => {
            await store.commit(other === 'one' ? kept : await append(stale, other))
          }
          await changeObject().catch(error => expect(error).toBeInstanceOf(DraftBusy))

          expect(await text(kept.object)).toBe('one, two')
          expect(await store.stat(kept.object)).toEqual({ size: 8 })
        },
      )

      it('leaves the digests of the draft available', async () => {
        const draft = await append(begin(), 'known')
        await store.commit(draft)

        for (const algorithm of ['sha256', 'sha512'] as const)
          expect(await store.digest(draft, algorithm)).toBe(digestBytes(algorithm, 'known'))
      })
    })

    describe('append with the digest of all bytes', () => {
      const appendLast = (draft: Draft, bytes: string, whole: string) =>
        store.append(draft, bytesOf(bytes), digestBytes(draft.algorithm, whole)).then(jsonRoundTrip)

      it.each(['', 'one, '])('completes a draft of %j, and can be repeated', async before => {
        const draft = before === '' ? begin() : await append(begin(), before)
        await appendLast(draft, 'two', `${before}two`)
        const closed = await appendLast(draft, 'two', `${before}two`)
        expect(await store.digest(closed, 'sha256')).toBe(digestBytes('sha256', `${before}two`))
        await store.commit(closed)
        await store.commit(closed)

        expect(await text(draft.object)).toBe(`${before}two`)
      })

      it('completes a draft of no bytes', async () => {
        const closed = await appendLast(begin(), '', '')
        await store.commit(closed)

        expect(await store.stat(closed.object)).toEqual({ size: 0 })
      })

      it('is an ordinary append if the digest differs', async () => {
        const draft = await append(begin(), 'one')
        const other = await appendLast(draft, ', two', 'something else')
        expect(await store.digest(other, 'sha256')).toBe(digestBytes('sha256', 'one, two'))
        const longer = await append(draft, ', three')
        await store.commit(longer)

        expect(await text(draft.object)).toBe('one, three')
      })

      it('leaves nothing after a discard', async () => {
        const draft = begin()
        await appendLast(draft, 'gone', 'gone')
        await store.discard(draft)

        expect(await store.stat(draft.object)).toBeUndefined()
      })
    })

    describe('discard', () => {
      it.each([
        ['a draft with no bytes', false, false],
        ['a draft', true, false],
        ['a committed draft', true, true],
      ] as const)('removes %s, and can be repeated', async (_, appended, committed) => {
        let draft = begin()
        if (appended) draft = await append(draft, 'gone')
        if (committed) await store.commit(draft)
        await store.discard(draft)
        await store.discard(draft)

        expect(await store.stat(draft.object)).toBeUndefined()
        await expect(store.read(draft.object)).rejects.toBeInstanceOf(ObjectMissing)
      })

      it.each(['commit', 'append'] as const)('leaves no draft for a later %s', async what => {
        const draft = await append(begin(), 'gone')
        await store.discard(draft)
        const later = what === 'commit' ? store.commit(draft) : store.append(draft, bytesOf('!'))

        await expect(later).rejects.toBeInstanceOf(ObjectMissing)
        expect(await store.stat(draft.object)).toBeUndefined()
      })

      it('makes an append in progress fail', async () => {
        const draft = await append(begin(), 'some')
        const discarded = Promise.withResolvers<void>()
        async function* slowly() {
          yield Buffer.from('more')
          await discarded.promise
          yield Buffer.from('and more')
        }
        const appending = store.append(draft, slowly())
        const outcome = expect(appending).rejects.toThrow()
        await store.discard(draft)
        discarded.resolve()
        await outcome

        expect(await store.stat(draft.object)).toBeUndefined()
      })
    })

    describe('read', () => {
      it('throws ObjectMissing for a missing object, before the first byte', async () => {
        await expect(store.read(randomUUID())).rejects.toBeInstanceOf(ObjectMissing)
        await expect(store.read(randomUUID(), { first: 0, last: 0 })).rejects.toBeInstanceOf(ObjectMissing)
        expect(await store.stat(randomUUID())).toBeUndefined()
      })

      it.each([
        ['the first byte', 0, 0],
        ['the last byte', 2_999_999, 2_999_999],
        ['the middle', 999_999, 2_100_000],
        ['everything', 0, 2_999_999],
      ])('returns %s', async (_, first, last) => {
        const whole = patternBytes(3_000_000)
        const object = await commit(whole)
        const read = await collect(await store.read(object, { first, last }))

        expect(whole.subarray(first, last + 1).equals(read)).toBe(true)
      })

      it('does not change a piece until the next one is requested', async () => {
        const whole = patternBytes(3_000_000)
        const object = await commit(whole)
        let position = 0
        for await (const piece of await store.read(object)) {
          await wait(5)
          expect(whole.subarray(position, position + piece.length).equals(piece)).toBe(true)
          position += piece.length
        }
        expect(position).toBe(whole.length)
      })

      it('serves many readers of one object concurrently', async () => {
        const whole = patternBytes(2_000_000)
        const object = await commit(whole)
        const all = await Promise.all(
          Array.from({ length: 8 }, async () => collect(await store.read(object))),
        )

        expect(all.every(read => read.equals(whole))).toBe(true)
      })
    })

    describe('delete', () => {
      it('removes the object, and can be repeated', async () => {
        const object = await commit('gone')
        await store.delete(object)
        await store.delete(object)

        expect(await store.stat(object)).toBeUndefined()
        await expect(store.read(object)).rejects.toBeInstanceOf(ObjectMissing)
      })

      it('does not disturb a reader that began before', async () => {
        const whole = patternBytes(3_000_000)
        const object = await commit(whole)
        const unstarted = await store.read(object)
        const started = (await store.read(object))[Symbol.asyncIterator]()
        const first = Buffer.from((await started.next()).value)
        await store.delete(object)

        expect(whole.equals(await collect(unstarted))).toBe(true)
        const rest = await collect({ [Symbol.asyncIterator]: () => started })
        expect(whole.equals(Buffer.concat([first, rest]))).toBe(true)
      })
    })

    it(
      'agrees with a model that keeps every byte, over restarts',
      async () => {
        await fc.assert(
          fc.asyncProperty(steps, async steps => {
            const opened = await create()
            const model = new Model(opened.store, opened.reopen)
            for (const step of steps) await model.run(step)
          }),
          { numRuns: runs(100), interruptAfterTimeLimit: TIMEOUT_MS / 2 },
        )
      },
      TIMEOUT_MS,
    )
  })
}
