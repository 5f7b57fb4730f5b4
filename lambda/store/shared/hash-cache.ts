import type { Hash } from 'node:crypto'
import type { Algorithm } from '../../protocol/digest.ts'
import type { Draft, ObjectName } from '../blobs.ts'

interface Running {
  readonly size: number
  readonly algorithm: Algorithm
  readonly hash: Hash
}

/**
 * The running hash of each open draft, so that an append need not read the stored bytes again. It is only a cache: a missing
 * hash is computed from the file. It holds the drafts that were used last, because abandoned ones are never removed explicitly.
 */
export class HashCache {
  /** In the order of their last use. */
  readonly #kept = new Map<ObjectName, Running>()
  readonly #maxDrafts: number

  /** @param maxDrafts how many drafts to remember; each takes about a kilobyte */
  constructor(maxDrafts: number) {
    this.#maxDrafts = maxDrafts
  }

  /** A hash of exactly the draft's bytes, the caller's own to go on with. */
  find({ object, size }: Draft, algorithm: Algorithm): Hash | undefined {
    const running = this.#kept.get(object)
    if (running?.size !== size || running.algorithm !== algorithm) return undefined
    this.#kept.delete(object)
    this.#kept.set(object, running)
    return running.hash.copy()
  }

  /** Remembers the hash of the draft's bytes in place of any other draft's of the same object. */
  keep({ object, size, algorithm }: Draft, hash: Hash): void {
    this.#kept.delete(object)
    this.#kept.set(object, { size, algorithm, hash })
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#maxDrafts) break
      this.#kept.delete(oldest)
    }
  }

  forget(object: ObjectName): void {
    this.#kept.delete(object)
  }
}
