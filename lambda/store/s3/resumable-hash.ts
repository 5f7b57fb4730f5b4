import type { IHasher } from 'hash-wasm'
import type { Algorithm } from '../../protocol/digest.ts'

/** A hash function. node:crypto's has this shape too. */
export interface Hasher {
  update(bytes: Uint8Array): unknown
  digest(encoding: 'hex'): string
}

/**
 * Bytes of the build tag at the start of a hash-wasm state. A build rejects the tag of another, but the rest of the
 * state is the same.
 */
const TAG_LENGTH = 4

/** A hash whose state can be saved as text and resumed by any process, also with a later version of hash-wasm. */
export class ResumableHash implements Hasher {
  readonly #hasher: IHasher

  private constructor(hasher: IHasher) {
    this.#hasher = hasher
  }

  /** Resumes a hash. @param state the result of {@link save}; by default, the hash begins with no bytes */
  static async resume(algorithm: Algorithm, state?: string): Promise<ResumableHash> {
    // Loaded lazily, because pulls do not need it and it would slow down a cold start.
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

  /** Returns the state in base64, without the build tag. */
  save(): string {
    return Buffer.from(this.#hasher.save().subarray(TAG_LENGTH)).toString('base64')
  }

  /** Returns the digest of the bytes so far. More bytes can be added after it. */
  digest(encoding: 'hex'): string {
    const state = this.#hasher.save()
    const digest = this.#hasher.digest(encoding)
    this.#hasher.load(state)
    return digest
  }
}
