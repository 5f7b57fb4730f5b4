import { type ScryptOptions, scrypt } from 'node:crypto'
import type { ScryptCost } from './password-format.ts'

export interface ScryptInput {
  readonly password: string
  readonly salt: Uint8Array
  readonly cost: ScryptCost
  /** Bytes of the result. */
  readonly length: number
}

export interface BcryptInput {
  readonly password: string
  /** A bcrypt hash. */
  readonly stored: string
}

/**
 * Does the expensive part of checking a password.
 * The server on one machine does it on threads of its own, with a bounded queue (server/password-threads.ts).
 */
export interface KeyDerivation {
  /** @throws {RegistryError} TOOMANYREQUESTS where the queue is full */
  scrypt(input: ScryptInput, from?: string): Promise<Uint8Array>
  /** @throws {RegistryError} TOOMANYREQUESTS where the queue is full */
  bcrypt(input: BcryptInput, from?: string): Promise<boolean>
}

/** Memory that scrypt needs in addition to its table. */
const SPARE_MEMORY = 2 ** 20

/**
 * Hashes in this process. A Lambda instance has one request at a time, so a hash delays no other request there, and the
 * bundle of the API needs no threads.
 */
export const IN_PROCESS: KeyDerivation = {
  scrypt: ({ password, salt, cost, length }) =>
    new Promise((resolve, reject) => {
      scrypt(password, salt, length, optionsOf(cost), (error, hash) =>
        error ? reject(error) : resolve(hash),
      )
    }),
  async bcrypt({ password, stored }) {
    const { compare } = await import('bcryptjs') // loaded only where an account was imported from htpasswd
    return compare(password, stored)
  },
}

/** The options of Node's scrypt, whose default limit is 32 MiB of memory. */
export function optionsOf({ N, r, p }: ScryptCost): ScryptOptions {
  return { N, r, p, maxmem: 128 * r * (N + p) + SPARE_MEMORY }
}
