import type { Hash } from 'node:crypto'
import type { Algorithm } from '../../protocol/digest.ts'
import type { Draft, ObjectName } from '../blobs.ts'

interface CachedHash {
  readonly size: number
  readonly algorithm: Algorithm
  readonly hash: Hash
}

/**
 * Caches the hash state of open drafts, so that an append need not read the stored bytes again. The adapter can do
 * without a missing entry. The cache holds the most recently used drafts, because abandoned drafts are not removed
 * explicitly.
 */
export class HashCache {
  /** The least recently used entry comes first. */
  readonly #entries = new Map<ObjectName, CachedHash>()
  readonly #maxDrafts: number

  /** @param maxDrafts maximum number of cached drafts; each takes about a kilobyte */
  constructor(maxDrafts: number) {
    this.#maxDrafts = maxDrafts
  }

  /** Returns a hash of exactly the draft's bytes. It is a copy, so the caller may update it. */
  find({ object, size }: Draft, algorithm: Algorithm): Hash | undefined {
    const cached = this.#entries.get(object)
    if (cached?.size !== size || cached.algorithm !== algorithm) return undefined
    this.#entries.delete(object)
    this.#entries.set(object, cached)
    return cached.hash.copy()
  }

  /** Caches the hash of the draft's bytes. It replaces the entry of any other draft of the same object. */
  keep({ object, size, algorithm }: Draft, hash: Hash): void {
    this.#entries.delete(object)
    this.#entries.set(object, { size, algorithm, hash })
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxDrafts) break
      this.#entries.delete(oldest)
    }
  }

  forget(object: ObjectName): void {
    this.#entries.delete(object)
  }
}
