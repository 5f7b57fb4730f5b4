import { createHash } from 'node:crypto'
import type { Draft } from '../blobs.ts'
import type { Json } from '../table.ts'
import type { Checksum } from './bucket.ts'
import { planParts } from './plan-parts.ts'
import { type Hasher, ResumableHash } from './resumable-hash.ts'

/**
 * The state that this adapter stores in a draft. Its size does not depend on the size of the draft, because the size of
 * a row is limited: it contains one digest of all parts instead of a list of up to 10,000 parts. The field names are
 * stored in rows and must not change.
 */
export type DraftState = {
  /** The id of the multipart upload. Absent before the first full part. */
  readonly upload?: string
  /**
   * The saved state of the SHA-256 over the SHA-256s of the full parts. With the last part, its result is S3's checksum
   * of the object.
   */
  readonly print?: string
  /** The bytes after the full parts. Absent if there are none. */
  readonly rest?: TailState
  /** How many tail objects have been written: 0, 1 or 2. */
  readonly slots: number
  /** The hash of all bytes: its saved state; or only its result, `hex`; or neither, if both are lost. */
  readonly hash: { readonly state?: string; readonly hex?: string }
}

/** The bytes after the full parts. */
export type TailState = {
  readonly checksum: Checksum
  /**
   * The tail object that holds the bytes; `null` if they are in their final place: the last part, or the object itself.
   */
  readonly slot: 0 | 1 | null
}

/** Reads the adapter's state of a draft. */
export function draftState({ state }: Draft): DraftState {
  return (state ?? { slots: 0, hash: {} }) as Json as DraftState
}

/** The SHA-256 of bytes, in S3's format. */
export function checksumOf(bytes: Uint8Array): Checksum {
  return createHash('sha256').update(bytes).digest('base64')
}

/** The size and the checksum that S3 reports for the object after the draft is committed. */
export async function objectChecksum(draft: Draft): Promise<{ size: number; checksum: Checksum }> {
  const { size } = draft
  const { print: partsDigest, rest } = draftState(draft)
  const { parts } = planParts(size)
  if (parts === 0) return { size, checksum: rest?.checksum ?? checksumOf(Buffer.of()) }
  const hash = await ResumableHash.resume('sha256', partsDigest)
  if (rest) hash.update(Buffer.from(rest.checksum, 'base64'))
  return { size, checksum: composite(hash, parts + (rest ? 1 : 0)) }
}

/** The checksum that S3 reports for an object of these parts. */
export function checksumOfParts(checksums: readonly Checksum[]): Checksum {
  const hash = createHash('sha256')
  for (const checksum of checksums) hash.update(Buffer.from(checksum, 'base64'))
  return composite(hash, checksums.length)
}

function composite(hash: Hasher, parts: number): Checksum {
  return `${Buffer.from(hash.digest('hex'), 'hex').toString('base64')}-${parts}`
}
