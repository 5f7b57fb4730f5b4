import type { Brand } from './brand.ts'
import { type Digest, parseDigest } from './digest.ts'
import { RegistryError } from './errors.ts'
import type { RepositoryName } from './name.ts'

/** A tag: 128 characters at most, starting with a letter, a digit or an underscore. Tags keep their case. */
export type Tag = Brand<string, 'Tag'>

/** Identifies a manifest: by a tag, which can be moved, or by its digest. */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: Tag }
  | { readonly kind: 'digest'; readonly digest: Digest }

/** Identifies an upload session. A random UUID: 122 bits that cannot be guessed. */
export type UploadId = Brand<string, 'UploadId'>

/** The location of an upload session: the id is valid only in the repository that the upload began in. */
export interface SessionAddress {
  readonly name: RepositoryName
  readonly upload: UploadId
}

const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const UPLOAD_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** @throws {RegistryError} TAG_INVALID */
export function parseTag(text: string): Tag {
  if (!TAG.test(text)) {
    const reason = 'a tag must be 1 to 128 letters, digits, _ . -, and begin with a letter, a digit or _'
    throw new RegistryError('TAG_INVALID', {
      message: `invalid tag: ${reason}`,
      detail: { tag: text.slice(0, 128) },
    })
  }
  return text as Tag
}

/** Every digest contains a colon and no tag does. @throws {RegistryError} TAG_INVALID, DIGEST_INVALID */
export function parseReference(text: string): Reference {
  return text.includes(':')
    ? { kind: 'digest', digest: parseDigest(text) }
    : { kind: 'tag', tag: parseTag(text) }
}

/** @throws {RegistryError} BLOB_UPLOAD_UNKNOWN for text of another form, because no such id is ever issued */
export function parseUploadId(text: string): UploadId {
  if (!UPLOAD_ID.test(text)) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
  return text as UploadId
}
