import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { IN_PROCESS, type KeyDerivation } from './key-derivation.ts'
import { formatScrypt, isBcrypt, parseScrypt, type ScryptCost, type ScryptHash } from './password-format.ts'

/** A hash takes 32 MiB of memory and about 200 ms of processor time. From OWASP's password storage cheat sheet. */
export const PRODUCTION_COST: ScryptCost = { N: 2 ** 15, r: 8, p: 3 }
const SALT_BYTES = 16
const HASH_BYTES = 32
const KEY_PREFIX = 'lsk_'

interface PasswordsOptions {
  /** The cost of new hashes. Tests use a lower one. */
  readonly cost?: ScryptCost
  readonly derivation?: KeyDerivation
}

/**
 * Hashes and verifies passwords. A password is normalized to NFC first, because keyboards compose accents in different
 * ways.
 */
export class Passwords {
  readonly #cost: ScryptCost
  readonly #derivation: KeyDerivation
  /**
   * A hash that no password matches. Verifying it extends the time of a verification whose stored hash is cheaper or
   * missing.
   */
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
   * Verifies a password. It takes at least as long as one hash of the current cost, whatever is stored, so that the
   * time does not reveal whether an account exists or how its password is stored.
   * @param stored a PHC string, the format of versions before 0.2, or a bcrypt hash as htpasswd writes it; undefined if
   * there is none
   * @param from the client's network. Clients get equal shares of the queue.
   * @throws {RegistryError} TOOMANYREQUESTS if the queue is full
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

/** Generates a robot's key of 256 random bits. Only its hash is stored. One SHA-256 is enough for a random secret. */
export function generateKey(): { readonly key: string; readonly hash: string } {
  const key = KEY_PREFIX + randomBytes(32).toString('base64url')
  return { key, hash: hashKey(key) }
}

/** @param hash the stored hash, from {@link generateKey} */
export function verifyKey(key: string, hash: string): boolean {
  const [actual, expected] = [Buffer.from(hashKey(key)), Buffer.from(hash)]
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}

/** The stored form of a robot's key or a refresh token: its SHA-256 in hex. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

function workOf({ N, r, p }: ScryptCost): number {
  return N * r * p
}
