import type { Digest } from '../protocol/digest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { UploadId } from '../protocol/reference.ts'
import type { Draft, ObjectName } from './blobs.ts'
import type { Json, Key } from './table.ts'

/*
 * The rows behind the keys of keys.ts. Times are milliseconds since 1970. Types, not interfaces: only a type is
 * seen to be a plain table item.
 */

export type RepositoryRow = Key & {
  readonly created: number
  /** The last push, to within an hour: rewriting it with every push would make all of them meet on one row. 0: was removed. */
  readonly updated: number
  /** Whether a garbage row will end this row of a removed repository. Absent in rows of older versions. */
  readonly collectable?: boolean
}

export type TagRow = Key & {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  readonly pushed: number
}

/** Where a manifest's bytes are: in the row while they are small, else in an object of the blob store. */
export type Content = { readonly bytes: Uint8Array } | { readonly object: ObjectName }

export type ManifestRow = Key &
  Content & {
    readonly mediaType: string
    readonly size: number
    /** The push that made this row. Its refs and parents carry the same id, so that those of another push can be told apart. */
    readonly push: string
    readonly pushed: number
    /** Counts the pushes that moved a tag here or listed the manifest in an index, so that a delete notices them. */
    readonly tagging: number
    readonly subject?: Digest
  }

export type ReferrerRow = Key & {
  /** By which listings are filtered. */
  readonly artifactType?: string
  /**
   * What the referrers API answers, a descriptor in JSON: the names of annotations are a client's, and not every name
   * can be an attribute. Without `annotations` when they are too large to be kept twice.
   */
  readonly descriptor: string
  readonly abridged?: true
}

/** The repository holds the blob (invariant I5: it is readable there if and only if this row exists). */
export type LinkRow = Key & {
  readonly object: ObjectName
  readonly size: number
  /** The last time that a client was told, or relied on it, that the blob is here. */
  readonly touched: number
  /** Counts the touches, for those that fall into one millisecond. */
  readonly touches: number
}

export type BlobRow = Key & {
  readonly object: ObjectName
  readonly size: number
  /** How many repositories hold the blob (invariant I2: the number of its link rows). */
  readonly links: number
}

export type UploadRow = Key & {
  readonly draft: Draft
  /** Counts the changes, so that of two at once one is refused. */
  readonly version: number
  readonly expires: number
  /** Set once the last bytes are in and had this digest: from then on the session can only end as that blob. */
  readonly closing?: Digest
  /** The client was told that it may write the whole blob into the store itself. */
  readonly direct?: true
  /** Who began it, by `subjectId`: nobody else can go on with it. */
  readonly owner?: string
}

/** A user or a robot. They share their names. */
export type AccountRow = Key & {
  readonly kind: 'user' | 'robot'
  /** Of a password, in the form of its scheme; of a robot's key, its SHA-256 in hex. */
  readonly secret: string
  readonly groups?: readonly string[]
  readonly admin?: boolean
  /** What a robot may do, as the policy module reads it. */
  readonly grants?: readonly Json[]
  /** Which words the grants use (auth/grant.ts). Absent in rows of older versions. */
  readonly format?: number
  readonly created: number
  readonly expires?: number
  readonly disabled?: boolean
  /** Counts what makes earlier tokens worthless: a new secret, a disabling. */
  readonly generation: number
  /** To within an hour. */
  readonly lastUsed?: number
}

export type PolicyRow = Key & {
  readonly document: string
  /** Counts the changes, so that of two at once one is refused. */
  readonly version: number
  /** Which words the rules use (auth/grant.ts). Absent in rows of older versions. */
  readonly format?: number
}

export type RefreshRow = Key & {
  readonly account: string
  readonly generation: number
  readonly expires: number
}

export type FailuresRow = Key & {
  readonly count: number
  /** When counting began. */
  readonly since: number
}

/** What the collector shall look at when it is due. Each says what may be gone, never that it is: the rows decide. */
export type Garbage =
  /** A link that nothing may need any more. */
  | { readonly what: 'link'; readonly repository: RepositoryName; readonly digest: Digest }
  /** A blob that no repository may hold any more. */
  | { readonly what: 'blob'; readonly digest: Digest }
  /** An object that no other row names. */
  | { readonly what: 'object'; readonly object: ObjectName }
  /** A draft, committed or not, that no session names any more. */
  | { readonly what: 'draft'; readonly draft: Draft }
  /** The row of a repository that was removed. It stays until pushes that read it before the removal are over. */
  | { readonly what: 'repository'; readonly repository: RepositoryName }
  /** A session that may have expired. */
  | { readonly what: 'upload'; readonly repository: RepositoryName; readonly upload: UploadId }
  /**
   * The refs and parents that a push wrote, with the content of its manifest: to be taken back unless the manifest row
   * carries this push. `taken` once the collector has begun, from when on the push can no longer finish.
   */
  | ({
      readonly what: 'push'
      readonly repository: RepositoryName
      readonly digest: Digest
      readonly push: string
      readonly mediaType: string
      readonly taken: boolean
    } & Content)

export type GarbageRow = Key & { readonly due: number } & Garbage
