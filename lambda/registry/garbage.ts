import type { Digest } from '../protocol/digest.ts'
import { parseStoredManifest } from '../protocol/manifest.ts'
import { ObjectMissing, type ObjectName } from '../store/blobs.ts'
import { keys } from '../store/keys.ts'
import type { BlobRow, Garbage, GarbageRow } from '../store/records.ts'
import { MAX_WRITES, type Write } from '../store/table.ts'
import { chunked } from '../util/chunked.ts'
import type { Dependencies } from './dependencies.ts'
import { loadContent } from './manifest-content.ts'

/** The write of a garbage row. @param due when the collector looks at it, in milliseconds since 1970 */
export function garbageWrite({ newId }: Pick<Dependencies, 'newId'>, due: number, garbage: Garbage): Write {
  return { put: { ...keys.garbage(due, newId()), due, ...garbage } }
}

/** Has the collector delete an object, unless the blob row names it. Only for objects that no row can name later. */
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

/** How many writes a request may make to save the collector work. */
const MAX_WRITES_PER_REQUEST = 5 * MAX_WRITES

/** The garbage of a push: see {@link GarbageRow}. */
export type PushGarbage = GarbageRow & { readonly what: 'push' }

/**
 * Deletes the refs and parents that a push wrote for a manifest that was deleted or never committed. They carry the id
 * of the push, so those of other pushes stay. The collector then reviews the blobs of the manifest. May be repeated:
 * the garbage row is deleted last.
 */
export async function releasePush(deps: Dependencies, row: PushGarbage): Promise<void> {
  await apply(deps, row, await releaseWrites(deps, row))
}

/** {@link releasePush} within a request: only if it takes few writes. If it fails, the request still succeeds. */
export async function releasePushIfSmall(deps: Dependencies, row: PushGarbage): Promise<void> {
  try {
    const writes = await releaseWrites(deps, row)
    if (writes.length <= MAX_WRITES_PER_REQUEST) await apply(deps, row, writes)
  } catch {
    // the garbage row remains, and the collector repeats the work
  }
}

async function releaseWrites(deps: Dependencies, row: PushGarbage): Promise<Write[]> {
  const { repository, digest, mediaType, push } = row
  const now = deps.clock()
  const bytes = await loadContent(deps.store, row).catch(error => {
    if (error instanceof ObjectMissing) return undefined // the push ended before it wrote a ref
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
  // A request and the collector may run this concurrently. Only one of them may write the garbage row of the object.
  const end: Write = { delete: { partition, sort }, if: 'present' }
  if (!('object' in row)) return table.transact(end)
  const { object } = row
  await table.transact(end, garbageWrite(deps, clock() + gracePeriod, { what: 'object', object }))
}
