import type { Digest } from '../protocol/digest.ts'
import type { ByteRange } from '../protocol/ranges.ts'
import type { Reference, Tag } from '../protocol/reference.ts'
import type { BlobDescriptor, ManifestContent } from './content.ts'
import type { Bytes } from './registry/transport.ts'

/** Where images come from: a repository of a registry, an OCI layout, an archive. Every method throws a `ClientError`. */
export interface Source {
  /** For messages. */
  readonly name: string
  /** @throws {ClientError} where it is absent. The bytes have the digest */
  manifest(reference: Reference, signal?: AbortSignal): Promise<ManifestContent>
  /** The bytes of a blob, or of a range of it. They are not verified. */
  blob(blob: BlobDescriptor, range?: ByteRange, signal?: AbortSignal): Bytes
  /** The manifests that have this subject. */
  referrers(subject: Digest, signal?: AbortSignal): Promise<readonly Digest[]>
  tags(signal?: AbortSignal): Promise<readonly Tag[]>
  /** The registry and repository that a target of the same registry can mount blobs from. */
  readonly mountable?: { readonly registry: string; readonly repository: string }
}

/** Bytes that can be read several times. */
export type OpenBlob = (range?: ByteRange) => Bytes

/** Where images go to. Every method throws a `ClientError`. */
export interface Target {
  /** For messages. */
  readonly name: string
  /** How many blobs it takes at a time. */
  readonly parallel: number
  hasManifest(digest: Digest, signal?: AbortSignal): Promise<boolean>
  /** Whether the target holds a blob, or could mount it. */
  findBlob(
    blob: BlobDescriptor,
    from: Source['mountable'],
    signal?: AbortSignal,
  ): Promise<'exists' | 'mounted' | undefined>
  /** The bytes that `open` gives are verified. */
  putBlob(blob: BlobDescriptor, open: OpenBlob, signal?: AbortSignal): Promise<void>
  /** @param tag absent: by digest alone */
  putManifest(manifest: ManifestContent, tag?: Tag, signal?: AbortSignal): Promise<void>
}
