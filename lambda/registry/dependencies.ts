import type { RepositoryName } from '../protocol/name.ts'
import type { BlobStore } from '../store/blobs.ts'
import type { Table } from '../store/table.ts'

/** What every adapter uses for {@link Dependencies.uploadLifetime}. */
export const UPLOAD_LIFETIME = 24 * 60 * 60 * 1000

/** What the registry is built on. Times are milliseconds. */
export interface Dependencies {
  readonly table: Table
  readonly store: BlobStore
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Resolves after so many milliseconds. Without it nothing is waited for: the second of two requests for a session is refused at once. */
  readonly pause?: (milliseconds: number) => Promise<void>
  /** A fresh random UUID in lower case. */
  readonly newId: () => string
  /** The grace period: how long unreferenced content is kept, so that a manifest which needs it can still arrive. */
  readonly gracePeriod: number
  /** How long an upload session may stay idle. */
  readonly uploadLifetime: number
  /** Whether the repository takes manifests whose blobs or children are absent. Without it, none does. */
  readonly isSparse?: (name: RepositoryName) => boolean
  /** Present where clients can write whole blobs into the store themselves. */
  readonly directUploads?: DirectUploadOptions
}

/** The way past us, for the whole body of an upload. */
export interface DirectUploadOptions {
  /** How many bytes may be read again, in one request, to find a digest that the store does not tell. */
  readonly readLimit: number
}
