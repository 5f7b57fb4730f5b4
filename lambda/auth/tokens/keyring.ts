import { createHash, createSecretKey, type KeyObject } from 'node:crypto'

/** 256 bits as base64url. */
const KEY = /^[0-9A-Za-z_-]{43}$/

export interface SigningKey {
  /** Tells which key signed, and nothing of the key. */
  readonly id: string
  readonly key: KeyObject
}

/** The keys that sign tokens and upload URLs: the newest signs, and what the others have signed is still good. */
export class Keyring {
  readonly #keys: readonly SigningKey[]

  /** @param keys the newest first. @throws {TypeError} for what is no key. The message does not repeat it. */
  constructor(keys: readonly string[]) {
    if (keys.length === 0 || !keys.every(key => KEY.test(key)))
      throw new TypeError('a signing key is not 43 characters of base64url')
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
