import type { RepositoryName } from '../protocol/name.ts'
import type { BlobStore } from '../store/blobs.ts'
import type { Table } from '../store/table.ts'

/** The {@link Dependencies.uploadLifetime} of every deployment. */
export const UPLOAD_LIFETIME = 24 * 60 * 60 * 1000

/** Everything that the registry takes from outside. Durations are milliseconds. */
export interface Dependencies {
  readonly table: Table
  readonly store: BlobStore
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /**
   * Resolves after a time. Absent: of two requests for an upload session, the second is refused at once instead of
   * waiting.
   */
  readonly pause?: (milliseconds: number) => Promise<void>
  /** A fresh random UUID in lower case. */
  readonly newId: () => string
  /** The grace period: how long unreferenced content is kept, so that a push in progress can still reference it. */
  readonly gracePeriod: number
  /** How long an upload session may be idle before it expires. */
  readonly uploadLifetime: number
  /** Whether the repository accepts manifests whose blobs or children are absent. Without it, no repository does. */
  readonly isSparse?: (name: RepositoryName) => boolean
  /** Present where clients can make direct uploads. */
  readonly directUploads?: DirectUploadOptions
}

export interface DirectUploadOptions {
  /** The largest object, in bytes, that is read to compute a digest that the store does not provide. */
  readonly readLimit: number
}
