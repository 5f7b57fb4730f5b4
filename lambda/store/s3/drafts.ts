import { setTimeout as sleep } from 'node:timers/promises'
import { type Draft, DraftBusy, ObjectMissing, type ObjectName, StoreBusy } from '../blobs.ts'
import { parseDirectObject } from '../direct-object.ts'
import { checkObjectName } from '../shared/object-name.ts'
import type { Bucket, Part } from './bucket.ts'
import { checksumOf, checksumOfParts, type DraftState, draftState, objectChecksum } from './draft-state.ts'
import { hasErrorName } from './errors.ts'
import { planParts } from './plan-parts.ts'

/** Delays between attempts to complete an object that another process may be completing. Three seconds in total. */
const RETRY_DELAYS_MS = [100, 200, 400, 800, 1_600]

/** The key of a draft's multipart upload, and of the object that it becomes. */
export function blobKey(object: ObjectName): string {
  return `blobs/${checkObjectName(object)}`
}

/** The key of an object, including one that a direct upload wrote. */
export function objectKey(object: ObjectName): string {
  return parseDirectObject(object) ? object : blobKey(object)
}

/** The keys of a draft's two tail objects. */
export function tailKeys(object: ObjectName): [string, string] {
  return [`tails/${checkObjectName(object)}/0`, `tails/${object}/1`]
}

/**
 * Reads the bytes after the full parts.
 * @throws {ObjectMissing} when the tail object is missing
 * @throws {DraftBusy} when another process has overwritten the tail object, or when the last bytes are already in their
 * final place
 */
export async function loadTail(bucket: Bucket, draft: Draft): Promise<Buffer> {
  const { object } = draft
  const { rest } = draftState(draft)
  if (!rest) return Buffer.alloc(0)
  if (rest.slot === null) throw new DraftBusy(`draft ${object} already has its last bytes`)
  const tail = await bucket.getAll(tailKeys(object)[rest.slot])
  if (checksumOf(tail) !== rest.checksum)
    throw new DraftBusy(`another process has overwritten the tail of draft ${object}`)
  return tail
}

/**
 * Saves the bytes after the full parts. They go into the tail object that the previous draft does not use, so that
 * draft remains valid.
 */
export async function saveTail(
  bucket: Bucket,
  draft: Draft,
  tail: Buffer,
  state: DraftState,
): Promise<Draft> {
  const { rest: before, ...others } = state
  if (tail.length === 0) return { ...draft, state: others }
  const slot = before?.slot === 0 ? 1 : 0
  const checksum = checksumOf(tail)
  await bucket.put(tailKeys(draft.object)[slot], tail, checksum, false)
  return { ...draft, state: { ...others, slots: Math.max(state.slots, slot + 1), rest: { checksum, slot } } }
}

/** Writes the last bytes to their final place: the last part, or the object itself if it fits into one part. */
export async function uploadLastPart(
  bucket: Bucket,
  draft: Draft,
  tail: Buffer,
  state: DraftState,
): Promise<Draft> {
  const { rest: _, ...others } = state
  const checksum = checksumOf(tail)
  const { parts } = planParts(draft.size)
  if (parts > 0 && tail.length === 0) return { ...draft, state: others }
  const placed = { ...draft, state: { ...others, rest: { checksum, slot: null } } }
  const key = blobKey(draft.object)
  if (parts > 0) await bucket.uploadPart(key, state.upload ?? '', { number: parts + 1, body: tail, checksum })
  else await unlessExists(bucket, placed, () => bucket.put(key, tail, checksum, true))
  return placed
}

/**
 * Creates the object and then deletes the tails. Each step accepts that an earlier attempt may have done it already.
 */
export async function commitDraft(bucket: Bucket, draft: Draft): Promise<void> {
  const { object, size } = draft
  const { rest, slots } = draftState(draft)
  const { parts } = planParts(size)
  const isPlaced = parts === 0 && rest?.slot === null
  if (!isPlaced)
    await unlessExists(bucket, draft, () =>
      parts === 0 ? putWhole(bucket, draft) : completeParts(bucket, draft),
    )
  await Promise.all(
    tailKeys(object)
      .slice(0, slots)
      .map(key => bucket.delete(key)),
  )
}

async function putWhole(bucket: Bucket, draft: Draft): Promise<void> {
  const tail = await loadTail(bucket, draft)
  await bucket.put(blobKey(draft.object), tail, checksumOf(tail), true)
}

async function completeParts(bucket: Bucket, draft: Draft): Promise<void> {
  const { object, size } = draft
  const { upload = '', rest } = draftState(draft)
  const key = blobKey(object)
  const count = planParts(size).parts + (rest ? 1 : 0)
  if (rest && rest.slot !== null) {
    const body = await loadTail(bucket, draft)
    await bucket.uploadPart(key, upload, { number: count, body, checksum: rest.checksum })
  }
  const parts: Part[] = []
  for (let more = true; more && parts.length < count; ) {
    const page = await bucket.listParts(key, upload, parts.length)
    parts.push(...page.parts)
    more = page.more
  }
  // An append whose draft was not kept can have left more parts.
  const draftParts = parts.slice(0, count)
  const { checksum } = await objectChecksum(draft)
  if (checksumOfParts(draftParts.map(part => part.checksum)) !== checksum)
    throw new DraftBusy(`another process has overwritten parts of draft ${object}`)
  await bucket.complete(key, upload, draftParts)
}

/**
 * Creates the draft's object, unless it exists already. Creation can succeed only once. A failure because the object
 * exists, or because something is missing, has two possible causes:
 * - An earlier attempt created the object and its response was lost. The object then has the draft's bytes.
 * - Another process is creating the object now. S3 then shows neither the multipart upload nor the object, so the step
 *   is retried.
 */
async function unlessExists(bucket: Bucket, draft: Draft, create: () => Promise<void>): Promise<void> {
  for (const delay of [...RETRY_DELAYS_MS, undefined]) {
    try {
      await create()
      return
    } catch (error) {
      const isBusy = error instanceof DraftBusy
      const isMissing = error instanceof ObjectMissing
      const isTaken = hasErrorName(error, 'PreconditionFailed', 'ConditionalRequestConflict', 'InvalidPart')
      // If the object exists, S3 can reject the request before it has read the body, which appears as a lost
      // connection.
      const isLost = error instanceof StoreBusy
      if (!isBusy && !isMissing && !isTaken && !isLost) throw error
      if (await objectExists(bucket, draft)) return
      if (isLost) throw error
      if (delay !== undefined && !isBusy) await sleep(delay)
      else if (isMissing)
        throw new ObjectMissing(`S3 has lost the bytes of draft ${draft.object}`, { cause: error })
      else throw new DraftBusy(`another process has overwritten draft ${draft.object}`, { cause: error })
    }
  }
}

/** Whether the draft's object exists. @throws {DraftBusy} when the object exists with other bytes */
async function objectExists(bucket: Bucket, draft: Draft): Promise<boolean> {
  const found = await bucket.head(blobKey(draft.object))
  if (!found) return false
  const { size, checksum } = await objectChecksum(draft)
  if (found.size !== size || found.checksum !== checksum)
    throw new DraftBusy(`object ${draft.object} already exists with other bytes`)
  return true
}
