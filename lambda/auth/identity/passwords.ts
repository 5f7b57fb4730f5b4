import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { IN_PROCESS, type KeyDerivation } from './key-derivation.ts'
import { formatScrypt, isBcrypt, parseScrypt, type ScryptCost, type ScryptHash } from './password-format.ts'

/** 32 MiB and about 200 ms of a processor for one guess. OWASP's password storage cheat sheet lists it. */
export const PRODUCTION_COST: ScryptCost = { N: 2 ** 15, r: 8, p: 3 }
const SALT_BYTES = 16
const HASH_BYTES = 32
const KEY_PREFIX = 'lsk_'

interface PasswordsOptions {
  /** Of new hashes. Tests take a small one. */
  readonly cost?: ScryptCost
  readonly derivation?: KeyDerivation
}

/** Hashes passwords and verifies them. The same password matches however a keyboard composes its accents (NFC). */
export class Passwords {
  readonly #cost: ScryptCost
  readonly #derivation: KeyDerivation
  /** Verified where there is no stored hash, so that the refusal takes as long. No password matches it. */
  readonly #dummy: ScryptHash

  constructor({ cost = PRODUCTION_COST, derivation = IN_PROCESS }: PasswordsOptions = {}) {
    this.#cost = cost
    this.#derivation = derivation
    this.#dummy = { cost, salt: Buffer.alloc(SALT_BYTES), hash: Buffer.alloc(HASH_BYTES) }
  }

  /** @returns a PHC string */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES)
    const input = { password: password.normalize('NFC'), salt, cost: this.#cost, length: HASH_BYTES }
    const hash = Buffer.from(await this.#derivation.scrypt(input))
    return formatScrypt({ cost: this.#cost, salt, hash })
  }

  /**
   * Takes at least as long as one hash of today's cost, whatever is stored: the time tells nobody whether an account exists
   * or how its password is stored.
   * @param stored a PHC string, the form before it, or a bcrypt hash as htpasswd writes it; undefined where there is none
   * @param from the client, for a fair share of the queue
   * @throws {RegistryError} TOOMANYREQUESTS where the queue is full
   */
  async verify(password: string, stored: string | undefined, from?: string): Promise<boolean> {
    const scrypt = stored === undefined ? undefined : parseScrypt(stored)
    if (scrypt && workOf(scrypt.cost) >= workOf(this.#cost))
      return this.#matchesScrypt(password, scrypt, from)
    const cheaper =
      (scrypt && this.#matchesScrypt(password, scrypt, from)) ??
      (stored !== undefined && isBcrypt(stored) && this.#derivation.bcrypt({ password, stored }, from))
    const [matches] = await Promise.all([cheaper, this.#matchesScrypt(password, this.#dummy, from)])
    return matches
  }

  async #matchesScrypt(password: string, { cost, salt, hash }: ScryptHash, from?: string): Promise<boolean> {
    const input = { password: password.normalize('NFC'), salt, cost, length: hash.length }
    return timingSafeEqual(await this.#derivation.scrypt(input, from), hash)
  }
}

/** A robot's key of 256 random bits, and how it is stored: one round of a hash is enough for a random secret. */
export function generateKey(): { readonly key: string; readonly kept: string } {
  const key = KEY_PREFIX + randomBytes(32).toString('base64url')
  return { key, kept: hashKey(key) }
}

export function verifyKey(key: string, kept: string): boolean {
  const [actual, expected] = [Buffer.from(hashKey(key)), Buffer.from(kept)]
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}

/** The name under which a random secret can be looked up. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

function workOf({ N, r, p }: ScryptCost): number {
  return N * r * p
}
