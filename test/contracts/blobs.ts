import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Algorithm } from '../../lambda/protocol/digest.ts'
import { type BlobStore, type Draft, DraftBusy, ObjectMissing } from '../../lambda/store/blobs.ts'
import { breaking, bytesOf, collect, digestBytes, madeBytes } from '../support/bytes.ts'
import { runs } from '../support/property-runs.ts'
import { Model, steps, throughTable } from './blobs-model.ts'

/** A fresh store, and the way to open the same one again as a process does that was started anew. */
interface Opened {
  readonly store: BlobStore
  readonly reopen: () => Promise<BlobStore>
}

const SOON = 60_000

/** What every blob store must do, whatever it is made of. */
export function blobsContract(create: () => Promise<Opened>): void {
  describe('the blob store contract', () => {
    let store: BlobStore
    let reopen: () => Promise<BlobStore>
    beforeEach(async () => {
      ;({ store, reopen } = await create())
    })

    const begin = (algorithm: Algorithm = 'sha256') => throughTable(store.begin(randomUUID(), algorithm))
    const append = async (draft: Draft, ...pieces: (string | Uint8Array)[]) =>
      throughTable(await store.append(draft, bytesOf(...pieces)))
    const commit = async (...pieces: (string | Uint8Array)[]) => {
      const draft = await append(begin(), ...pieces)
      await store.commit(draft)
      return draft.object
    }
    const text = async (object: string) => (await collect(await store.read(object))).toString()

    describe('appending', () => {
      it('begins with no bytes', () => {
        expect(begin('sha512')).toMatchObject({ size: 0, algorithm: 'sha512' })
      })

      it('gives back what was appended, however it was cut', async () => {
        const whole = madeBytes(3_000_000)
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

      it('takes thousands of tiny pieces', async () => {
        const whole = madeBytes(5_000)
        const object = await commit(...Array.from(whole, byte => Buffer.of(byte)))

        expect(whole.equals(await collect(await store.read(object)))).toBe(true)
      })

      it('goes on where a store that is no more left off', async () => {
        const draft = await append(begin(), 'before, ')
        store = await reopen()
        const longer = await append(draft, 'after')
        await store.commit(longer)

        expect(await store.digest(longer, 'sha256')).toBe(digestBytes('sha256', 'before, after'))
        expect(await text(draft.object)).toBe('before, after')
      })

      it('resumes from the last draft kept and forgets a later append', async () => {
        const kept = await append(begin(), 'kept')
        await append(kept, ', and lost with the answer')
        const draft = await append(kept, ', again')
        await store.commit(draft)

        expect(await store.digest(draft, 'sha256')).toBe(digestBytes('sha256', 'kept, again'))
        expect(await text(draft.object)).toBe('kept, again')
      })

      it('commits the last draft kept without what a later append added', async () => {
        const kept = await append(begin(), 'kept')
        await append(kept, ', and lost with the answer')
        await store.commit(kept)

        expect(await text(kept.object)).toBe('kept')
        expect(await store.stat(kept.object)).toEqual({ size: 4 })
      })

      it('rejects with the very error that the bytes threw', async () => {
        const error = Object.assign(new Error('gone'), { code: 'ENOSPC' })

        await expect(store.append(begin(), breaking(error, 'some'))).rejects.toBe(error)
      })

      it.each([10, 5_000_000])('is as good as before when the bytes break off after %i', async length => {
        const draft = await append(begin(), 'kept')
        await store.append(draft, breaking(new Error('gone'), madeBytes(length))).catch(() => {})
        expect(await store.digest(draft, 'sha256')).toBe(digestBytes('sha256', 'kept'))

        const longer = await append(draft, ', again')
        await store.commit(longer)

        expect(await store.digest(longer, 'sha256')).toBe(digestBytes('sha256', 'kept, again'))
        expect(await text(draft.object)).toBe('kept, again')
      })

      it('commits what was kept after the bytes broke off', async () => {
        const draft = await append(begin(), 'kept')
        await store.append(draft, breaking(new Error('gone'), madeBytes(5_000_000))).catch(() => {})
        await store.commit(draft)

        expect(await text(draft.object)).toBe('kept')
      })

      it('turns the second of two writers away, and the first one finishes intact', async () => {
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
        const longer = throughTable(await first)
        await store.commit(longer)

        const expected = 'both had this, the first wins'
        expect(await store.digest(longer, 'sha256')).toBe(digestBytes('sha256', expected))
        expect(await text(draft.object)).toBe(expected)
      })

      it('is free for the next writer when the one before has failed', async () => {
        const draft = begin()
        await store.append(draft, breaking(new Error('gone'), 'some')).catch(() => {})

        expect(await append(draft, 'next')).toMatchObject({ size: 4 })
      })
    })

    describe('digests', () => {
      it.each(['sha256', 'sha512'] as const)('knows the %s of no bytes', async algorithm => {
        expect(await store.digest(begin(algorithm), algorithm)).toBe(digestBytes(algorithm, ''))
      })

      it.each(['sha256', 'sha512'] as const)(
        'knows the %s whatever the draft began with',
        async algorithm => {
          for (const own of ['sha256', 'sha512'] as const) {
            const draft = await append(await append(begin(own), 'one, '), 'two')
            expect(await store.digest(draft, algorithm)).toBe(digestBytes(algorithm, 'one, two'))
          }
        },
      )

      it('may be asked for twice and between appends', async () => {
        const draft = await append(begin(), 'one, ')
        expect(await store.digest(draft, 'sha256')).toBe(await store.digest(draft, 'sha256'))
        const longer = await append(draft, 'two')

        expect(await store.digest(longer, 'sha256')).toBe(digestBytes('sha256', 'one, two'))
      })
    })

    describe('committing', () => {
      it('shows nothing of a draft before', async () => {
        const { object } = await append(begin(), 'hidden')

        expect(await store.stat(object)).toBeUndefined()
        await expect(store.read(object)).rejects.toBeInstanceOf(ObjectMissing)
      })

      it('makes an object of no bytes, from no append or an empty one', async () => {
        const untouched = begin()
        await store.commit(untouched)
        const object = await commit()

        for (const name of [untouched.object, object]) {
          expect(await store.stat(name)).toEqual({ size: 0 })
          expect(await text(name)).toBe('')
        }
      })

      it('may be repeated, also by the next process', async () => {
        const draft = await append(begin(), 'once')
        await store.commit(draft)
        await store.commit(draft)
        store = await reopen()
        await store.commit(draft)

        expect(await text(draft.object)).toBe('once')
      })

      it('keeps the object in sight while it is committed again', async () => {
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
        'never gives the object other bytes, whoever goes on with %j instead',
        async other => {
          const kept = await append(begin(), 'one')
          const longer = await append(kept, ', two')
          await store.commit(longer)
          const stale = other === 'one' ? kept : throughTable({ ...kept, size: 0, state: null })
          const goingOn = async () => {
            await store.commit(other === 'one' ? kept : await append(stale, other))
          }
          await goingOn().catch(error => expect(error).toBeInstanceOf(DraftBusy))

          expect(await text(kept.object)).toBe('one, two')
          expect(await store.stat(kept.object)).toEqual({ size: 8 })
        },
      )

      it('knows the digests of what it committed', async () => {
        const draft = await append(begin(), 'known')
        await store.commit(draft)

        for (const algorithm of ['sha256', 'sha512'] as const)
          expect(await store.digest(draft, algorithm)).toBe(digestBytes(algorithm, 'known'))
      })
    })

    describe('appending what is said to be the last', () => {
      const last = (draft: Draft, bytes: string, whole: string) =>
        store.append(draft, bytesOf(bytes), digestBytes(draft.algorithm, whole)).then(throughTable)

      it.each(['', 'one, '])('makes the object behind %j, and may be repeated', async before => {
        const draft = before === '' ? begin() : await append(begin(), before)
        await last(draft, 'two', `${before}two`)
        const closed = await last(draft, 'two', `${before}two`)
        expect(await store.digest(closed, 'sha256')).toBe(digestBytes('sha256', `${before}two`))
        await store.commit(closed)
        await store.commit(closed)

        expect(await text(draft.object)).toBe(`${before}two`)
      })

      it('makes an object of no bytes', async () => {
        const closed = await last(begin(), '', '')
        await store.commit(closed)

        expect(await store.stat(closed.object)).toEqual({ size: 0 })
      })

      it('is an append like any other when the digest is another', async () => {
        const draft = await append(begin(), 'one')
        const other = await last(draft, ', two', 'something else')
        expect(await store.digest(other, 'sha256')).toBe(digestBytes('sha256', 'one, two'))
        const longer = await append(draft, ', three')
        await store.commit(longer)

        expect(await text(draft.object)).toBe('one, three')
      })

      it('leaves nothing when it is discarded', async () => {
        const draft = begin()
        await last(draft, 'gone', 'gone')
        await store.discard(draft)

        expect(await store.stat(draft.object)).toBeUndefined()
      })
    })

    describe('discarding', () => {
      it.each([
        ['a draft with no bytes', false, false],
        ['a draft', true, false],
        ['a committed draft', true, true],
      ] as const)('leaves nothing of %s, and may be repeated', async (_, appended, committed) => {
        let draft = begin()
        if (appended) draft = await append(draft, 'gone')
        if (committed) await store.commit(draft)
        await store.discard(draft)
        await store.discard(draft)

        expect(await store.stat(draft.object)).toBeUndefined()
        await expect(store.read(draft.object)).rejects.toBeInstanceOf(ObjectMissing)
      })

      it.each(['commit', 'append'] as const)('leaves nothing to %s', async what => {
        const draft = await append(begin(), 'gone')
        await store.discard(draft)
        const later = what === 'commit' ? store.commit(draft) : store.append(draft, bytesOf('!'))

        await expect(later).rejects.toBeInstanceOf(ObjectMissing)
        expect(await store.stat(draft.object)).toBeUndefined()
      })

      it('fails the append that it met', async () => {
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

    describe('reading', () => {
      it('rejects for an object that is not there, before the first byte', async () => {
        await expect(store.read(randomUUID())).rejects.toBeInstanceOf(ObjectMissing)
        await expect(store.read(randomUUID(), { first: 0, last: 0 })).rejects.toBeInstanceOf(ObjectMissing)
        expect(await store.stat(randomUUID())).toBeUndefined()
      })

      it.each([
        ['the first byte', 0, 0],
        ['the last byte', 2_999_999, 2_999_999],
        ['the middle', 999_999, 2_100_000],
        ['everything', 0, 2_999_999],
      ])('gives %s', async (_, first, last) => {
        const whole = madeBytes(3_000_000)
        const object = await commit(whole)
        const read = await collect(await store.read(object, { first, last }))

        expect(whole.subarray(first, last + 1).equals(read)).toBe(true)
      })

      it('leaves a piece as it is until the next is asked for', async () => {
        const whole = madeBytes(3_000_000)
        const object = await commit(whole)
        let position = 0
        for await (const piece of await store.read(object)) {
          await wait(5)
          expect(whole.subarray(position, position + piece.length).equals(piece)).toBe(true)
          position += piece.length
        }
        expect(position).toBe(whole.length)
      })

      it('serves many readers of one object at once', async () => {
        const whole = madeBytes(2_000_000)
        const object = await commit(whole)
        const all = await Promise.all(
          Array.from({ length: 8 }, async () => collect(await store.read(object))),
        )

        expect(all.every(read => read.equals(whole))).toBe(true)
      })
    })

    describe('deleting', () => {
      it('removes the object, and may be repeated', async () => {
        const object = await commit('gone')
        await store.delete(object)
        await store.delete(object)

        expect(await store.stat(object)).toBeUndefined()
        await expect(store.read(object)).rejects.toBeInstanceOf(ObjectMissing)
      })

      it('lets a reader finish that began before', async () => {
        const whole = madeBytes(3_000_000)
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
      'agrees with a model that remembers every byte, through restarts',
      async () => {
        await fc.assert(
          fc.asyncProperty(steps, async steps => {
            const opened = await create()
            const model = new Model(opened.store, opened.reopen)
            for (const step of steps) await model.take(step)
          }),
          { numRuns: runs(100), interruptAfterTimeLimit: SOON / 2 },
        )
      },
      SOON,
    )
  })
}
