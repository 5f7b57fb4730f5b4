import type { Hash } from 'node:crypto'
import type { Algorithm } from '../../protocol/digest.ts'
import type { Draft, ObjectName } from '../blobs.ts'

interface Running {
  readonly size: number
  readonly algorithm: Algorithm
  readonly hash: Hash
}

/**
 * How far the hashing of each open draft has come, so that an append need not read what is there already. Only a
 * memory: what is not in it can be had from the file. It holds the drafts used last, because abandoned ones never say
 * goodbye.
 */
export class HashCache {
  /** In the order of their last use. */
  readonly #kept = new Map<ObjectName, Running>()
  readonly #most: number

  /** @param most how many drafts to remember; each takes about a kilobyte */
  constructor(most: number) {
    this.#most = most
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
      if (this.#kept.size <= this.#most) break
      this.#kept.delete(oldest)
    }
  }

  forget(object: ObjectName): void {
    this.#kept.delete(object)
  }
}
