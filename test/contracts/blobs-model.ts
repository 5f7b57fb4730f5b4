import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { Algorithm } from '../../lambda/protocol/digest.ts'
import { type BlobStore, type Draft, ObjectMissing } from '../../lambda/store/blobs.ts'
import { bytesOf, bytesThenError, collect, digestBytes, patternBytes } from '../support/bytes.ts'

/** A call of a caller. `from` names one of the two drafts that are valid. */
export type Step =
  | { readonly do: 'append'; readonly pieceSizes: readonly number[]; readonly from: 'newest' | 'previous' }
  | { readonly do: 'fail'; readonly pieceSizes: readonly number[]; readonly from: 'newest' | 'previous' }
  | { readonly do: 'digest'; readonly algorithm: Algorithm }
  | { readonly do: 'range'; readonly first: number; readonly last: number }
  | { readonly do: 'commit' | 'discard' | 'read' | 'stat' | 'delete' | 'reopen' }

const algorithm = fc.constantFrom<Algorithm>('sha256', 'sha512')
/** Mostly a few bytes; sometimes about the number of bytes that an adapter writes at once. */
const pieceSizes = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.nat(40) },
    { weight: 1, arbitrary: fc.constantFrom(65_536, 1_048_575, 1_048_577) },
  ),
  { maxLength: 5 },
)
const from = fc.constantFrom('newest' as const, 'previous' as const)

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('append' as const), pieceSizes, from }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('fail' as const), pieceSizes, from }) },
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

interface DraftWithBytes {
  readonly draft: Draft
  readonly bytes: Buffer
}

/**
 * A simple model of a blob store that keeps every byte. It makes each step with the real store and compares the
 * results.
 */
export class Model {
  #store: BlobStore
  readonly #reopen: () => Promise<BlobStore>
  #newest!: DraftWithBytes
  /** The draft to which the last append added bytes. A row can still hold it. */
  #previous!: DraftWithBytes
  /**
   * `unspecified` after a digest that may have committed the draft: the port does not define what a read then returns.
   */
  #object: Buffer | 'missing' | 'unspecified' = 'missing'
  #seed = 0

  constructor(store: BlobStore, reopen: () => Promise<BlobStore>) {
    this.#store = store
    this.#reopen = reopen
    this.#beginDraft()
  }

  async run(step: Step): Promise<void> {
    switch (step.do) {
      case 'append': {
        const { draft, bytes } = this.#useDraft(step.from)
        const pieces = this.#makePieces(step.pieceSizes)
        const longer = await this.#store.append(draft, bytesOf(...pieces))
        this.#previous = { draft, bytes }
        this.#newest = { draft: jsonRoundTrip(longer), bytes: Buffer.concat([bytes, ...pieces]) }
        return expect(longer).toMatchObject({ object: draft.object, size: this.#newest.bytes.length })
      }
      case 'fail': {
        const { draft } = this.#useDraft(step.from)
        const error = new Error('the client went away')
        const bytes = bytesThenError(error, ...this.#makePieces(step.pieceSizes))
        await expect(this.#store.append(draft, bytes)).rejects.toBe(error)
        return
      }
      case 'digest': {
        const { draft, bytes } = this.#newest
        const expected = digestBytes(step.algorithm, bytes)
        expect(await this.#store.digest(draft, step.algorithm)).toBe(expected)
        if (step.algorithm !== draft.algorithm && this.#object === 'missing') this.#object = 'unspecified'
        return
      }
      case 'commit':
        await this.#store.commit(this.#newest.draft)
        this.#object = this.#newest.bytes
        return
      case 'discard':
        await this.#store.discard(this.#newest.draft)
        await this.#expectMissing()
        return this.#beginDraft()
      case 'delete':
        if (!Buffer.isBuffer(this.#object)) return
        await this.#store.delete(this.#newest.draft.object)
        await this.#expectMissing()
        return this.#beginDraft()
      case 'read':
        if (this.#object === 'missing') return await this.#expectMissing()
        if (this.#object === 'unspecified') return
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

  /** Returns a valid draft for an append. The append makes all other drafts invalid. */
  #useDraft(from: 'newest' | 'previous'): DraftWithBytes {
    if (this.#object !== 'missing') this.#beginDraft()
    const used = from === 'newest' ? this.#newest : this.#previous
    this.#newest = this.#previous = used
    return used
  }

  #beginDraft(): void {
    const algorithm = ++this.#seed % 2 === 0 ? 'sha512' : 'sha256'
    const draft = jsonRoundTrip(this.#store.begin(randomUUID(), algorithm))
    this.#newest = this.#previous = { draft, bytes: Buffer.alloc(0) }
    this.#object = 'missing'
  }

  #makePieces(sizes: readonly number[]): Buffer[] {
    return sizes.map(length => patternBytes(length, ++this.#seed))
  }

  async #expectMissing(): Promise<void> {
    expect(await this.#store.stat(this.#name)).toBeUndefined()
    await expect(this.#store.read(this.#name)).rejects.toBeInstanceOf(ObjectMissing)
  }
}

/** The draft after it was stored in a row and read from it. */
export function jsonRoundTrip(draft: Draft): Draft {
  return JSON.parse(JSON.stringify(draft))
}

/** Compares to a boolean, so that a failed expectation does not print megabytes. */
function equal(a: Buffer, b: Buffer): boolean {
  return a.equals(b)
}
