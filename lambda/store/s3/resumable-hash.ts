import type { IHasher } from 'hash-wasm'
import type { Algorithm } from '../../protocol/digest.ts'

/** A hash function. node:crypto's has this shape too. */
export interface Hasher {
  update(bytes: Uint8Array): unknown
  digest(encoding: 'hex'): string
}

/** Length of the build tag that hash-wasm puts before a state. It refuses the tag of another build; the rest is the same in all. */
const TAG_LENGTH = 4

/** A hash that can be saved as text and resumed by any process, also with a later version of the library. */
export class ResumableHash implements Hasher {
  readonly #hasher: IHasher

  private constructor(hasher: IHasher) {
    this.#hasher = hasher
  }

  /** @param state the result of {@link save}; without it the hash of no bytes */
  static async resume(algorithm: Algorithm, state?: string): Promise<ResumableHash> {
    // Pulls need none of it, so a cold start does not read it.
    const { createSHA256, createSHA512 } = await import('./hash-wasm.ts')
    const hasher = await (algorithm === 'sha256' ? createSHA256() : createSHA512())
    hasher.init()
    if (state !== undefined) {
      const tag = hasher.save().subarray(0, TAG_LENGTH)
      hasher.load(Buffer.concat([tag, Buffer.from(state, 'base64')]))
    }
    return new ResumableHash(hasher)
  }

  update(bytes: Uint8Array): this {
    this.#hasher.update(bytes)
    return this
  }

  save(): string {
    return Buffer.from(this.#hasher.save().subarray(TAG_LENGTH)).toString('base64')
  }

  /** Of the bytes so far. The hash can be continued. */
  digest(encoding: 'hex'): string {
    const state = this.#hasher.save()
    const digest = this.#hasher.digest(encoding)
    this.#hasher.load(state)
    return digest
  }
}
