import type { Digest } from '../protocol/digest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { UploadId } from '../protocol/reference.ts'
import type { Draft, ObjectName } from './blobs.ts'
import type { Json, Key } from './table.ts'

/*
 * The rows of the keys in keys.ts. Times are milliseconds since 1970. The rows are types, not interfaces: TypeScript
 * does not accept an interface as a table item, because an interface has no index signature.
 */

export type RepositoryRow = Key & {
  readonly created: number
  /**
   * The last push, to within an hour: an update with every push would make concurrent pushes conflict on one row. 0:
   * removed.
   */
  readonly updated: number
  /**
   * Whether a garbage row exists that will delete this row of a removed repository. Absent in rows of older versions.
   */
  readonly collectable?: boolean
}

export type TagRow = Key & {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  readonly pushed: number
}

/** Where a manifest's bytes are: in the row if they are small, otherwise in an object of the blob store. */
export type Content = { readonly bytes: Uint8Array } | { readonly object: ObjectName }

export type ManifestRow = Key &
  Content & {
    readonly mediaType: string
    readonly size: number
    /**
     * The id of the push that wrote this row. The keys of its ref and parent rows contain it, which separates them from
     * another push's.
     */
    readonly push: string
    readonly pushed: number
    /**
     * The number of pushes that moved a tag to this manifest or listed it in an index, so that a concurrent delete
     * detects them.
     */
    readonly tagging: number
    readonly subject?: Digest
  }

export type ReferrerRow = Key & {
  /** The referrers API filters by it. */
  readonly artifactType?: string
  /**
   * The descriptor that the referrers API returns, as JSON text: clients choose the names of annotations, and not every
   * name can be an attribute.
   */
  readonly descriptor: string
  /** The descriptor lacks its `annotations`, because they are too large to be stored twice. */
  readonly abridged?: true
}

/** The repository holds the blob. Invariant I5: a blob can be read in a repository if and only if this row exists. */
export type LinkRow = Key & {
  readonly object: ObjectName
  readonly size: number
  /** The last time that a response confirmed the blob to a client, or that a client relied on it. */
  readonly touched: number
  /** The number of touches, which distinguishes touches within one millisecond. */
  readonly touches: number
}

export type BlobRow = Key & {
  readonly object: ObjectName
  readonly size: number
  /** The number of repositories that hold the blob. Invariant I2: it is the number of the blob's link rows. */
  readonly links: number
}

export type UploadRow = Key & {
  readonly draft: Draft
  /** Incremented with every change, so that one of two concurrent changes fails. */
  readonly version: number
  readonly expires: number
  /** Set when the last bytes have arrived and had this digest. From then on the session can only become that blob. */
  readonly closing?: Digest
  /** The client was offered a direct upload. */
  readonly direct?: true
  /** The `subjectId` of the subject that began the session. Only this subject can continue it. */
  readonly owner?: string
}

/** A user or a robot. No user has the name of a robot. */
export type AccountRow = Key & {
  readonly kind: 'user' | 'robot'
  /** The hash of a user's password, in the format of its scheme; or the SHA-256 of a robot's key, in hex. */
  readonly secret: string
  readonly groups?: readonly string[]
  readonly admin?: boolean
  /** The grants of a robot, as lambda/auth/policy/schema.ts parses them. */
  readonly grants?: readonly Json[]
  /** The format of the grants (lambda/auth/policy/schema.ts). Absent in rows of older versions. */
  readonly format?: number
  readonly created: number
  readonly expires?: number
  readonly disabled?: boolean
  /** Incremented by every change that revokes earlier tokens: a new secret, or disabling the account. */
  readonly generation: number
  /** To within an hour. */
  readonly lastUsed?: number
}

export type PolicyRow = Key & {
  readonly document: string
  /** Incremented with every change, so that one of two concurrent changes fails. */
  readonly version: number
  /** The format of the grants in the rules (lambda/auth/policy/schema.ts). Absent in rows of older versions. */
  readonly format?: number
}

export type RefreshRow = Key & {
  readonly account: string
  /** The generation of the account when the token was issued. */
  readonly generation: number
  readonly expires: number
}

export type FailuresRow = Key & {
  readonly count: number
  /** The time of the first counted failure. */
  readonly since: number
}

/**
 * Something that the collector checks when it is due. A garbage row only says that it may be unreferenced; other rows
 * decide.
 */
export type Garbage =
  /** A link that may be unreferenced. */
  | { readonly what: 'link'; readonly repository: RepositoryName; readonly digest: Digest }
  /** A blob that may be in no repository. */
  | { readonly what: 'blob'; readonly digest: Digest }
  /** An object that no other row names. */
  | { readonly what: 'object'; readonly object: ObjectName }
  /** A draft, committed or not, that no upload session names. */
  | { readonly what: 'draft'; readonly draft: Draft }
  /** The row of a removed repository. It is kept until the pushes that read it before the removal have ended. */
  | { readonly what: 'repository'; readonly repository: RepositoryName }
  /** An upload session that may have expired. */
  | { readonly what: 'upload'; readonly repository: RepositoryName; readonly upload: UploadId }
  /**
   * The ref and parent rows that a push wrote, and the content of its manifest. The collector removes them unless the
   * manifest row has the id of this push. `taken` is set when the collector begins; the push can then no longer finish.
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
