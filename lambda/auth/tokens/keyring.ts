import { createHash, createSecretKey, type KeyObject } from 'node:crypto'

/** 256 bits in base64url. */
const KEY_FORMAT = /^[0-9A-Za-z_-]{43}$/

export interface SigningKey {
  /** Identifies the key in a signature: the first 32 bits of the SHA-256 of its text. */
  readonly id: string
  readonly key: KeyObject
}

/** The keys that sign access tokens and upload tokens. The newest key signs; signatures of older keys stay valid. */
export class Keyring {
  readonly #keys: readonly SigningKey[]

  /**
   * @param keys 43 characters of base64url each, the newest first
   * @throws {TypeError} if there is no key or one is malformed. The message does not contain the key.
   */
  constructor(keys: readonly string[]) {
    if (keys.length === 0 || !keys.every(key => KEY_FORMAT.test(key)))
      throw new TypeError(
        'each signing key must be 43 characters of base64url, and there must be at least one',
      )
    this.#keys = keys.map(text => ({
      id: createHash('sha256').update(text).digest('hex').slice(0, 8),
      key: createSecretKey(Buffer.from(text, 'base64url')),
    }))
  }

  get newest(): SigningKey {
    return this.#keys[0] as SigningKey
  }

  get all(): readonly SigningKey[] {
    return this.#keys
  }

  find(id: string | undefined): SigningKey | undefined {
    return this.#keys.find(key => key.id === id)
  }
}
