import type { Algorithm, Digest } from '../protocol/digest.ts'
import type { ByteRange } from '../protocol/ranges.ts'
import type { Json } from './table.ts'

export type { ByteRange }

/**
 * A stream of bytes, in pieces of any size. It can be iterated once. A consumer that stops early must call `return()`
 * of the iterator, even before the first `next()`, because a file or a socket may be open behind it.
 */
export type Bytes = AsyncIterable<Uint8Array>

/**
 * The name of a committed object, in printable ASCII. It identifies the upload that made the object, not the content.
 */
export type ObjectName = string

/**
 * The bytes that an upload has received so far. A draft is plain JSON that the caller stores, so any process can resume
 * it. The next append discards bytes beyond `size`, which a crash or a failed append can leave in the store.
 */
export type Draft = {
  readonly object: ObjectName
  /** In bytes. */
  readonly size: number
  /** The algorithm that hashes the bytes while they arrive. The caller may change it while `size` is 0. */
  readonly algorithm: Algorithm
  /** The adapter's own state. */
  readonly state: Json
}

/**
 * Stores objects and drafts. The caller chooses the object names and uses each for one draft only. It records a name in
 * a row before the first call that uses the name, so that a row names every file or S3 object in the store.
 */
export interface BlobStore {
  /** Returns a draft with no bytes. Writes nothing that a {@link discard} would have to remove. */
  begin(object: ObjectName, algorithm: Algorithm): Draft
  /**
   * Appends bytes at position `draft.size`. They are durable when the promise resolves. If `bytes` or the store fails,
   * the promise rejects with that error and `draft` remains valid. A piece must not change until the promise settles.
   * An append invalidates every draft of the object except the given one and the returned one, so the caller must
   * always pass the draft that the table holds.
   * @param wholeDigest the digest that the draft has if these are its last bytes. A store may then write the last bytes
   * to their final place, and a draft with this digest accepts no more bytes
   * @throws {DraftBusy} while another append to or commit of the draft is in progress in this process, or when another
   * process has overwritten its bytes
   * @throws {ObjectMissing} when the store has lost the bytes of the draft
   * @throws {StorageFull} when there is no room
   * @throws {StoreBusy}
   */
  append(draft: Draft, bytes: Bytes, wholeDigest?: Digest): Promise<Draft>
  /**
   * Returns the digest of the draft's bytes, computed by the store. This is usually cheap for the draft's own
   * algorithm. For another algorithm, or when several processes have received the bytes, the store may commit the draft
   * first. The draft then accepts no more bytes.
   * @param beforeCommit called before such a commit; when it rejects, the draft is not committed
   */
  digest(draft: Draft, algorithm: Algorithm, beforeCommit?: () => Promise<void>): Promise<Digest>
  /**
   * Makes the draft an object, durably. Idempotent, also after a crash in the middle. The draft accepts no more bytes,
   * and an append to or a commit of an older draft of the object never changes the object.
   * @throws {DraftBusy} while an append to or another commit of the draft is in progress in this process, or when the
   * object already exists with other bytes
   * @throws {ObjectMissing} when the store has lost the bytes of the draft
   * @throws {StorageFull} when there is no room
   * @throws {StoreBusy}
   */
  commit(draft: Draft): Promise<void>
  /**
   * Removes a draft, committed or not, durably. Idempotent. An append or a commit in progress in this process fails.
   */
  discard(draft: Draft): Promise<void>
  /**
   * Reads an object, or a range that lies within it. A piece is valid until the next one is requested.
   * @throws {ObjectMissing} before the first byte
   */
  read(object: ObjectName, range?: ByteRange): Promise<Bytes>
  /** Returns the size of an object in bytes; `undefined` if there is no such object. */
  stat(object: ObjectName): Promise<{ readonly size: number } | undefined>
  /**
   * Replaces the bytes of a damaged object with those of an intact one, which must be the bytes that the damaged object
   * had. Durable, atomic and idempotent. Readers that began before are not disturbed, and each object can be deleted
   * without affecting the other. Only stores that cannot detect damage to their objects implement this.
   */
  restore?(damaged: ObjectName, intact: ObjectName): Promise<void>
  /**
   * Deletes the object, or its draft if it was never committed. Durable and idempotent. Readers that began before are
   * not disturbed.
   */
  delete(object: ObjectName): Promise<void>
  /**
   * Returns a URL at which a client can fetch the object from the store; `undefined` if there is none and the caller
   * must stream.
   */
  presign(object: ObjectName, request: PresignRequest): Promise<string | undefined>
  /** Finds an object that a direct upload wrote. Only stores that clients can write to implement this. */
  findUploaded?(object: ObjectName): Promise<UploadedObject | undefined>
}

/** An object that a direct upload wrote. */
export interface UploadedObject {
  /** In bytes. */
  readonly size: number
  /** The digest of all bytes, if the store itself has verified it. */
  readonly digest?: Digest
}

/** The request that a presigned or signed URL allows. */
export interface PresignRequest {
  readonly method: 'GET' | 'HEAD'
  /** The digest of the object's bytes. A signed URL may contain it. */
  readonly digest: Digest
  /** The Content-Type that the store responds with. */
  readonly mediaType: string
  /** Lifetime of the URL. */
  readonly seconds: number
}

/** Another writer uses the draft, or has overwritten it. None of the bytes of the rejected call are kept. */
export class DraftBusy extends Error {
  override readonly name = 'DraftBusy'
}

/** The store does not hold the object, or the bytes of the draft. */
export class ObjectMissing extends Error {
  override readonly name = 'ObjectMissing'
}

/**
 * The store is unreachable or throttles requests, and the adapter's own retries failed too; or the process has no file
 * descriptors left. The caller may try again later.
 */
export class StoreBusy extends Error {
  override readonly name = 'StoreBusy'
}

/** The disk is full or a quota is reached. Data that was acknowledged before is safe. */
export class StorageFull extends Error {
  override readonly name = 'StorageFull'
}
