import type { Digest } from '../protocol/digest.ts'
import { parseStoredManifest } from '../protocol/manifest.ts'
import { ObjectMissing, type ObjectName } from '../store/blobs.ts'
import { keys } from '../store/keys.ts'
import type { BlobRow, Garbage, GarbageRow } from '../store/records.ts'
import { MAX_WRITES, type Write } from '../store/table.ts'
import { chunked } from '../util/chunked.ts'
import type { Dependencies } from './dependencies.ts'
import { loadContent } from './manifest-content.ts'

/** The write that puts something on the collector's list for the time `due`. */
export function garbageWrite({ newId }: Pick<Dependencies, 'newId'>, due: number, garbage: Garbage): Write {
  return { put: { ...keys.garbage(due, newId()), due, ...garbage } }
}

/** Puts an object on the collector's list, unless the blob row names it. Only for objects that no row can come to name later. */
export async function discardUnlessBlob(
  deps: Dependencies,
  digest: Digest,
  object: ObjectName,
): Promise<void> {
  const { table, clock, gracePeriod } = deps
  const blob = await table.get<BlobRow>(keys.blob(digest))
  if (blob?.object === object) return
  await table.transact(garbageWrite(deps, clock() + gracePeriod, { what: 'object', object }))
}

/** How many writes a request may make on the collector's behalf. */
const MAX_WRITES_PER_REQUEST = 5 * MAX_WRITES

/** The garbage of a push: see {@link GarbageRow}. */
export type PushGarbage = GarbageRow & { readonly what: 'push' }

/**
 * Deletes what a push wrote for a manifest that was deleted or never committed: its refs and parents, distinguished from
 * those of other pushes by the push id. The collector then reviews the blobs that it needed. May be repeated: the garbage
 * row is deleted last.
 */
export async function releasePush(deps: Dependencies, row: PushGarbage): Promise<void> {
  await apply(deps, row, await releaseWrites(deps, row))
}

/** {@link releasePush} on behalf of a request: only while it is little work, and its failure is not the request's. */
export async function releasePushIfSmall(deps: Dependencies, row: PushGarbage): Promise<void> {
  try {
    const writes = await releaseWrites(deps, row)
    if (writes.length <= MAX_WRITES_PER_REQUEST) await apply(deps, row, writes)
  } catch {
    // the row stays on the collector's list
  }
}

async function releaseWrites(deps: Dependencies, row: PushGarbage): Promise<Write[]> {
  const { repository, digest, mediaType, push } = row
  const now = deps.clock()
  const bytes = await loadContent(deps.store, row).catch(error => {
    if (error instanceof ObjectMissing) return undefined // the push did not come as far as its first ref
    throw error
  })
  if (!bytes) return []
  const { blobs, foreign, children } = parseStoredManifest(bytes, mediaType)
  return [
    ...[...blobs, ...foreign].flatMap(blob => [
      { delete: keys.ref(repository, blob, digest, push) },
      garbageWrite(deps, now, { what: 'link', repository, digest: blob }),
    ]),
    ...children.map(child => ({ delete: keys.parent(repository, child, digest, push) })),
  ]
}

async function apply(deps: Dependencies, row: PushGarbage, writes: readonly Write[]): Promise<void> {
  const { table, clock, gracePeriod } = deps
  for (const some of chunked(writes, MAX_WRITES)) await table.transact(...some)
  const { partition, sort } = row
  // A request and the collector may both do this at once. Only one of them may list the object.
  const end: Write = { delete: { partition, sort }, if: 'present' }
  if (!('object' in row)) return table.transact(end)
  const { object } = row
  await table.transact(end, garbageWrite(deps, clock() + gracePeriod, { what: 'object', object }))
}
