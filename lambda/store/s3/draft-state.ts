import { createHash } from 'node:crypto'
import type { Draft } from '../blobs.ts'
import type { Json } from '../table.ts'
import type { Checksum } from './bucket.ts'
import { planParts } from './plan-parts.ts'
import { type Hasher, ResumableHash } from './resumable-hash.ts'

/**
 * What the store writes into a draft's state. It does not grow with the draft, because the row that carries it may not:
 * instead of ten thousand parts it names one fingerprint of them all.
 */
export type DraftState = {
  /** The multipart upload, from the first full part on. */
  readonly upload?: string
  /** SHA-256 over the SHA-256s of the full parts, to be gone on with. At the end it is S3's own checksum of the object. */
  readonly print?: string
  /** The bytes behind the full parts, when there are any. */
  readonly rest?: TailState
  /** How many of the tail's slots have been written to. */
  readonly slots: number
  /** The hash of all bytes: its state, to go on with; or only its result, `hex`; or neither, when nobody knows it any more. */
  readonly hash: { readonly state?: string; readonly hex?: string }
}

export type TailState = {
  readonly checksum: Checksum
  /** Which tail they are in, or `null` when they are where they will stay: as the last part, or as the whole object. */
  readonly slot: 0 | 1 | null
}

export function draftState({ state }: Draft): DraftState {
  return (state ?? { slots: 0, hash: {} }) as Json as DraftState
}

export function checksumOf(bytes: Uint8Array): Checksum {
  return createHash('sha256').update(bytes).digest('base64')
}

/** What the object will be, and S3 will say of it, once the draft is committed. */
export async function objectChecksum(draft: Draft): Promise<{ size: number; checksum: Checksum }> {
  const { size } = draft
  const { print, rest } = draftState(draft)
  const { parts } = planParts(size)
  if (parts === 0) return { size, checksum: rest?.checksum ?? checksumOf(Buffer.of()) }
  const hash = await ResumableHash.resume('sha256', print)
  if (rest) hash.update(Buffer.from(rest.checksum, 'base64'))
  return { size, checksum: composite(hash, parts + (rest ? 1 : 0)) }
}

/** What S3 would say of an object of these parts. */
export function checksumOfParts(checksums: readonly Checksum[]): Checksum {
  const hash = createHash('sha256')
  for (const checksum of checksums) hash.update(Buffer.from(checksum, 'base64'))
  return composite(hash, checksums.length)
}

function composite(hash: Hasher, parts: number): Checksum {
  return `${Buffer.from(hash.digest('hex'), 'hex').toString('base64')}-${parts}`
}
