import type { Algorithm, Digest } from '../protocol/digest.ts'
import type { ByteRange } from '../protocol/ranges.ts'
import type { Json } from './table.ts'

export type { ByteRange }

/**
 * Bytes on their way, in pieces of any size. Can be gone through once; who does not go to the end calls `return()` of
 * the iterator, also when it never asked for a piece, because a file or a socket may be open behind it.
 */
export type Bytes = AsyncIterable<Uint8Array>

/** The name of a committed object. It says which upload made it, never what it holds. Printable ASCII. */
export type ObjectName = string

/**
 * Bytes that are still being gathered. Plain JSON that the caller keeps: any process can go on with it, and what the
 * store holds beyond `size` (after a crash, or an append that failed) is forgotten by the next append.
 */
export type Draft = {
  readonly object: ObjectName
  readonly size: number
  /** What the bytes are being hashed with while they arrive. The caller may change it while `size` is 0. */
  readonly algorithm: Algorithm
  /** The adapter's own notes. */
  readonly state: Json
}

/**
 * Bytes, and drafts of bytes. The caller chooses object names, each used for one draft only, and records the name
 * before the first call that mentions it, so that nothing in the store is ever without an owner.
 */
export interface BlobStore {
  /** A draft with no bytes. Does no I/O that a {@link discard} must undo. */
  begin(object: ObjectName, algorithm: Algorithm): Draft
  /**
   * Adds bytes behind `draft.size`; when it resolves they are durable. When `bytes` fails, or the store does, it
   * rejects with that error and `draft` is as good as before. A piece must stay as it is after the next was asked for,
   * until the promise settles. Appending to a draft gives up every other draft of the object but the one it returns,
   * so the caller sees to it that no stale draft is ever brought: it is the newest that the table holds.
   * @param whole the digest that the draft will have if these are its last bytes: the store may then put them where they
   * stay, and a draft that has this digest takes no more
   * @throws {DraftBusy} while another append to or commit of the draft is under way in this process, and when another
   * process has written in its place
   * @throws {ObjectMissing} when the store has lost the bytes of the draft
   * @throws {StorageFull} when there is no room
   * @throws {StoreBusy}
   */
  append(draft: Draft, bytes: Bytes, whole?: Digest): Promise<Draft>
  /**
   * The digest of the draft's bytes, computed by the store. Mostly cheap when the algorithm is the draft's own. In another
   * one, or when several processes have received the bytes, the draft may have to become an object first, and takes no
   * more bytes.
   * @param sealing is called before that, and stops it when it fails
   */
  digest(draft: Draft, algorithm: Algorithm, sealing?: () => Promise<void>): Promise<Digest>
  /**
   * Makes the draft an object, durably. May be repeated, also after a crash in the middle. The draft takes no more
   * bytes, and whoever goes on with an older one of the object never gets another one in its place.
   * @throws {DraftBusy} while an append to or another commit of the draft is under way in this process, and when the
   * object is there with other bytes
   * @throws {ObjectMissing} when the store has lost the bytes of the draft
   * @throws {StorageFull} when there is no room
   * @throws {StoreBusy}
   */
  commit(draft: Draft): Promise<void>
  /** Forgets a draft, committed or not, durably. May be repeated. An append or commit under way in this process fails. */
  discard(draft: Draft): Promise<void>
  /**
   * The bytes of an object, all or a range that lies within it. A piece is valid until the next is asked for.
   * @throws {ObjectMissing} before the first byte
   */
  read(object: ObjectName, range?: ByteRange): Promise<Bytes>
  stat(object: ObjectName): Promise<{ readonly size: number } | undefined>
  /**
   * Puts the bytes of one object in the place of another that was to have the same bytes, whatever has become of those. Durable and
   * atomic; may be repeated. Readers that began before finish undisturbed, and both objects live on by themselves. Only stores whose
   * objects can be damaged without their noticing have this.
   */
  restore?(damaged: ObjectName, by: ObjectName): Promise<void>
  /**
   * Deletes the object, and where it never became one, its draft. Durable; may be repeated. Readers that began before finish
   * undisturbed.
   */
  delete(object: ObjectName): Promise<void>
  /** Where a client can reach the object without us, or `undefined` where it cannot, so the caller streams. */
  presign(object: ObjectName, request: PresignRequest): Promise<string | undefined>
  /** What a client has written as this object without us. Only stores that clients can write to have this. */
  findUploaded?(object: ObjectName): Promise<UploadedObject | undefined>
}

export interface UploadedObject {
  /** In bytes. */
  readonly size: number
  /** As the store itself has found it over all bytes; absent where it has not. */
  readonly digest?: Digest
}

export interface PresignRequest {
  readonly method: 'GET' | 'HEAD'
  /** Of the object's bytes: a link may tell it on. */
  readonly digest: Digest
  /** The Content-Type that the store shall answer with. */
  readonly mediaType: string
  /** How long the link works, in seconds. */
  readonly seconds: number
}

/** Two writers on one draft: one of them is turned away, and nothing of its bytes is kept. */
export class DraftBusy extends Error {
  override readonly name = 'DraftBusy'
}

/** The store holds no such object, or not the bytes of such a draft. */
export class ObjectMissing extends Error {
  override readonly name = 'ObjectMissing'
}

/**
 * The store cannot be reached, asks for fewer requests, or the process has no file descriptors left, and stayed so through the
 * adapter's own retries. Try again later.
 */
export class StoreBusy extends Error {
  override readonly name = 'StoreBusy'
}

/** The disk is full or a quota is reached. What was acknowledged before is safe. */
export class StorageFull extends Error {
  override readonly name = 'StorageFull'
}
