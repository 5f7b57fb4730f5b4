import { algorithmOf, type Digest } from '../protocol/digest.ts'
import type { BlobStore, Bytes, ObjectName } from '../store/blobs.ts'
import type { Content } from '../store/records.ts'

/** The largest manifest that is kept in its row. A DynamoDB item holds 400 KB, keys and other attributes included. */
export const MAX_INLINE_BYTES = 350_000

/** The bytes of a manifest, wherever they are kept. */
export async function loadContent(store: BlobStore, content: Content): Promise<Uint8Array> {
  if ('bytes' in content) return content.bytes
  return collect(await store.read(content.object))
}

/** Keeps bytes as an object under a name that a row already mentions. May be repeated. */
export async function storeContent(
  store: BlobStore,
  object: ObjectName,
  bytes: Uint8Array,
  digest: Digest,
): Promise<void> {
  const draft = await store.append(store.begin(object, algorithmOf(digest)), oneOf(bytes), digest)
  await store.commit(draft)
}

/** Stores bytes again where the store has lost the object or bytes of it. May be repeated. */
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
  for await (const piece of bytes) pieces.push(Uint8Array.from(piece)) // a piece is only ours until the next
  return Buffer.concat(pieces)
}

async function* oneOf(bytes: Uint8Array): Bytes {
  yield bytes
}
