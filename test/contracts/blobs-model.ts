import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { Algorithm } from '../../lambda/protocol/digest.ts'
import { type BlobStore, type Draft, ObjectMissing } from '../../lambda/store/blobs.ts'
import { breaking, bytesOf, collect, digestBytes, madeBytes } from '../support/bytes.ts'

/** One thing a caller may do. `from` says which of the drafts that may still be brought. */
export type Step =
  | { readonly do: 'append'; readonly cut: readonly number[]; readonly from: 'newest' | 'before' }
  | { readonly do: 'break'; readonly cut: readonly number[]; readonly from: 'newest' | 'before' }
  | { readonly do: 'digest'; readonly algorithm: Algorithm }
  | { readonly do: 'range'; readonly first: number; readonly last: number }
  | { readonly do: 'commit' | 'discard' | 'read' | 'stat' | 'delete' | 'reopen' }

const algorithm = fc.constantFrom<Algorithm>('sha256', 'sha512')
/** Pieces of a few bytes, seldom of about what an adapter writes at once. */
const cut = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.nat(40) },
    { weight: 1, arbitrary: fc.constantFrom(65_536, 1_048_575, 1_048_577) },
  ),
  { maxLength: 5 },
)
const from = fc.constantFrom('newest' as const, 'before' as const)

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('append' as const), cut, from }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('break' as const), cut, from }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('digest' as const), algorithm }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('range' as const), first: fc.nat(), last: fc.nat() }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constantFrom('discard', 'read', 'stat', 'delete', 'reopen') }),
    },
  ),
  { maxLength: 30, size: 'max' },
)

interface Kept {
  readonly draft: Draft
  readonly bytes: Buffer
}

/** The slow and obvious store: it remembers every byte. Asks the real one to do each step and compares. */
export class Model {
  #store: BlobStore
  readonly #reopen: () => Promise<BlobStore>
  #newest!: Kept
  /** The draft that `newest` was made from: a row may still hold it. */
  #before!: Kept
  /** `unnamed` when the draft may have become an object without a commit: what a reader sees is nobody's business. */
  #object: Buffer | 'missing' | 'unnamed' = 'missing'
  #seed = 0

  constructor(store: BlobStore, reopen: () => Promise<BlobStore>) {
    this.#store = store
    this.#reopen = reopen
    this.#beginAnew()
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'append': {
        const { draft, bytes } = this.#bring(step.from)
        const pieces = this.#make(step.cut)
        const longer = await this.#store.append(draft, bytesOf(...pieces))
        this.#before = { draft, bytes }
        this.#newest = { draft: throughTable(longer), bytes: Buffer.concat([bytes, ...pieces]) }
        return expect(longer).toMatchObject({ object: draft.object, size: this.#newest.bytes.length })
      }
      case 'break': {
        const { draft } = this.#bring(step.from)
        const error = new Error('the client went away')
        await expect(this.#store.append(draft, breaking(error, ...this.#make(step.cut)))).rejects.toBe(error)
        return
      }
      case 'digest': {
        const { draft, bytes } = this.#newest
        const expected = digestBytes(step.algorithm, bytes)
        expect(await this.#store.digest(draft, step.algorithm)).toBe(expected)
        if (step.algorithm !== draft.algorithm && this.#object === 'missing') this.#object = 'unnamed'
        return
      }
      case 'commit':
        await this.#store.commit(this.#newest.draft)
        this.#object = this.#newest.bytes
        return
      case 'discard':
        await this.#store.discard(this.#newest.draft)
        await this.#expectMissing()
        return this.#beginAnew()
      case 'delete':
        if (!Buffer.isBuffer(this.#object)) return
        await this.#store.delete(this.#newest.draft.object)
        await this.#expectMissing()
        return this.#beginAnew()
      case 'read':
        if (this.#object === 'missing') return await this.#expectMissing()
        if (this.#object === 'unnamed') return
        return expect(equal(await collect(await this.#store.read(this.#name)), this.#object)).toBe(true)
      case 'range': {
        if (!Buffer.isBuffer(this.#object) || this.#object.length === 0) return
        const [a, b] = [step.first % this.#object.length, step.last % this.#object.length]
        const range = { first: Math.min(a, b), last: Math.max(a, b) }
        const expected = this.#object.subarray(range.first, range.last + 1)
        return expect(equal(await collect(await this.#store.read(this.#name, range)), expected)).toBe(true)
      }
      case 'stat':
        if (Buffer.isBuffer(this.#object))
          expect(await this.#store.stat(this.#name)).toEqual({ size: this.#object.length })
        else if (this.#object === 'missing') expect(await this.#store.stat(this.#name)).toBeUndefined()
        return
      case 'reopen':
        this.#store = await this.#reopen()
    }
  }

  get #name(): string {
    return this.#newest.draft.object
  }

  /** From here on the draft is the only one that counts: bringing it says that it was kept. */
  #bring(from: 'newest' | 'before'): Kept {
    if (this.#object !== 'missing') this.#beginAnew()
    const kept = from === 'newest' ? this.#newest : this.#before
    this.#newest = this.#before = kept
    return kept
  }

  #beginAnew(): void {
    const algorithm = ++this.#seed % 2 === 0 ? 'sha512' : 'sha256'
    const draft = throughTable(this.#store.begin(randomUUID(), algorithm))
    this.#newest = this.#before = { draft, bytes: Buffer.alloc(0) }
    this.#object = 'missing'
  }

  #make(cut: readonly number[]): Buffer[] {
    return cut.map(length => madeBytes(length, ++this.#seed))
  }

  async #expectMissing(): Promise<void> {
    expect(await this.#store.stat(this.#name)).toBeUndefined()
    await expect(this.#store.read(this.#name)).rejects.toBeInstanceOf(ObjectMissing)
  }
}

/** What becomes of a draft between two requests. */
export function throughTable(draft: Draft): Draft {
  return JSON.parse(JSON.stringify(draft))
}

/** As a boolean: a difference between megabytes is nothing to print. */
function equal(a: Buffer, b: Buffer): boolean {
  return a.equals(b)
}
