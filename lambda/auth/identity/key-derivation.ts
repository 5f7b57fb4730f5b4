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
 * Computes password hashes, which is the expensive part of a login. The server on one machine uses worker threads with
 * a bounded queue (server/password-threads.ts).
 */
export interface KeyDerivation {
  /**
   * @param from the client's network, for a fair share of the queue.
   * @throws {RegistryError} TOOMANYREQUESTS if the queue is full
   */
  scrypt(input: ScryptInput, from?: string): Promise<Uint8Array>
  /** Returns whether the password matches. @throws {RegistryError} TOOMANYREQUESTS if the queue is full */
  bcrypt(input: BcryptInput, from?: string): Promise<boolean>
}

/** Bytes of memory that scrypt needs in addition to its table. */
const SPARE_MEMORY = 2 ** 20

/**
 * Computes hashes in this process. A Lambda instance handles one request at a time, so a hash delays no other request,
 * and the bundle of the API needs no worker threads.
 */
export const IN_PROCESS: KeyDerivation = {
  scrypt: ({ password, salt, cost, length }) =>
    new Promise((resolve, reject) => {
      scrypt(password, salt, length, optionsOf(cost), (error, hash) =>
        error ? reject(error) : resolve(hash),
      )
    }),
  async bcrypt({ password, stored }) {
    const { compare } = await import('bcryptjs') // loaded only if an account was imported from an htpasswd file
    return compare(password, stored)
  },
}

/** The options of Node's scrypt, with a memory limit that suffices. The default limit of 32 MiB does not. */
export function optionsOf({ N, r, p }: ScryptCost): ScryptOptions {
  return { N, r, p, maxmem: 128 * r * (N + p) + SPARE_MEMORY }
}
