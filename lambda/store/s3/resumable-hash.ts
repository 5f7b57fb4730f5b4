import type { IHasher } from 'hash-wasm'
import type { Algorithm } from '../../protocol/digest.ts'

/** What can be hashed with: node:crypto's is of this shape too. */
export interface Hasher {
  update(bytes: Uint8Array): unknown
  digest(encoding: 'hex'): string
}

/** hash-wasm writes in front of a state which build it comes from, and takes no other build's. The rest has not changed. */
const TAG = 4

/** A hash that can be put aside as text and gone on with by any process, also by a later version of the library. */
export class ResumableHash implements Hasher {
  readonly #hasher: IHasher

  private constructor(hasher: IHasher) {
    this.#hasher = hasher
  }

  /** @param state what {@link save} gave; without it the hash of no bytes */
  static async resume(algorithm: Algorithm, state?: string): Promise<ResumableHash> {
    // Pulls need none of it, so a cold start does not read it.
    const { createSHA256, createSHA512 } = await import('./hash-wasm.ts')
    const hasher = await (algorithm === 'sha256' ? createSHA256() : createSHA512())
    hasher.init()
    if (state !== undefined) {
      const tag = hasher.save().subarray(0, TAG)
      hasher.load(Buffer.concat([tag, Buffer.from(state, 'base64')]))
    }
    return new ResumableHash(hasher)
  }

  update(bytes: Uint8Array): this {
    this.#hasher.update(bytes)
    return this
  }

  save(): string {
    return Buffer.from(this.#hasher.save().subarray(TAG)).toString('base64')
  }

  /** Of the bytes so far. The hash can be gone on with. */
  digest(encoding: 'hex'): string {
    const state = this.#hasher.save()
    const digest = this.#hasher.digest(encoding)
    this.#hasher.load(state)
    return digest
  }
}
