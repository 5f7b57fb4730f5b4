import { createHash } from 'node:crypto'
import { algorithmOf, type Digest, digestOf, hexOf } from '../protocol/digest.ts'
import { ClientError } from './client-error.ts'
import type { Bytes } from './registry/transport.ts'

interface Expected {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

/**
 * Passes bytes on and verifies them. The last piece is held back until the digest is known, so that a receiver which counts never gets
 * all bytes of a wrong blob.
 * @param name of the source, for messages
 * @throws {ClientError} for bytes of another size or digest
 */
export async function* verified(bytes: Bytes, { digest, size }: Expected, name: string): Bytes {
  const hash = createHash(algorithmOf(digest))
  let length = 0
  let last: Uint8Array | undefined
  for await (const piece of bytes) {
    length += piece.length
    if (length > size) throw new ClientError(`blob ${digest} of ${name} is longer than its ${size} bytes`)
    hash.update(piece)
    if (last) yield last
    last = piece
  }
  if (length < size) throw new ClientError(`blob ${digest} of ${name} ends after ${length} of ${size} bytes`)
  if (hash.digest('hex') !== hexOf(digest))
    throw new ClientError(`blob ${digest} of ${name} has other bytes than its digest says`)
  if (last) yield last
}

/** The digest of small content, in sha256. */
export function sha256(bytes: Uint8Array): Digest {
  return digestOf('sha256', createHash('sha256').update(bytes).digest('hex'))
}

export function hasDigest(bytes: Uint8Array, digest: Digest): boolean {
  return createHash(algorithmOf(digest)).update(bytes).digest('hex') === hexOf(digest)
}
