import { algorithmOf, type Digest } from '../protocol/digest.ts'
import type { BlobStore, Bytes, ObjectName } from '../store/blobs.ts'
import type { Content } from '../store/records.ts'

/**
 * The largest manifest that is kept in its row, in bytes. A DynamoDB item holds 400 KB, including its keys and other
 * attributes.
 */
export const MAX_INLINE_BYTES = 350_000

/** Reads the bytes of a manifest from its row or its object. */
export async function loadContent(store: BlobStore, content: Content): Promise<Uint8Array> {
  if ('bytes' in content) return content.bytes
  return collect(await store.read(content.object))
}

/** Stores the bytes of a manifest as an object. A row must name the object before. May be repeated. */
export async function storeContent(
  store: BlobStore,
  object: ObjectName,
  bytes: Uint8Array,
  digest: Digest,
): Promise<void> {
  const draft = await store.append(store.begin(object, algorithmOf(digest)), streamOf(bytes), digest)
  await store.commit(draft)
}

/** Stores the bytes of a manifest again if the store has lost the object or a part of it. May be repeated. */
export async function restoreContent(
  store: BlobStore,
  object: ObjectName,
  bytes: Uint8Array,
  digest: Digest,
): Promise<void> {
  const stored = await store.stat(object)
  if (stored?.size === bytes.length) return
  if (stored) await store.delete(object)
  await storeContent(store, object, bytes, digest)
}

async function collect(bytes: Bytes): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(Uint8Array.from(piece)) // a piece is valid only until the next one
  return Buffer.concat(pieces)
}

async function* streamOf(bytes: Uint8Array): Bytes {
  yield bytes
}
