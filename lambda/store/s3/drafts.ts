import { setTimeout as sleep } from 'node:timers/promises'
import { type Draft, DraftBusy, ObjectMissing, type ObjectName, StoreBusy } from '../blobs.ts'
import { parseDirectObject } from '../direct-object.ts'
import { checkObjectName } from '../shared/object-name.ts'
import type { Bucket, Part } from './bucket.ts'
import { checksumOf, checksumOfParts, type DraftState, draftState, objectChecksum } from './draft-state.ts'
import { hasErrorName } from './errors.ts'
import { planParts } from './plan-parts.ts'

/** How long to wait for what another process may be putting together, in milliseconds: three seconds in all. */
const PAUSES = [100, 200, 400, 800, 1_600]

/** The key of a draft, and of the object that it becomes. */
export function blobKey(object: ObjectName): string {
  return `blobs/${checkObjectName(object)}`
}

/** The key of an object, which a client may have written. */
export function objectKey(object: ObjectName): string {
  return parseDirectObject(object) ? object : blobKey(object)
}

export function tailKeys(object: ObjectName): [string, string] {
  return [`tails/${checkObjectName(object)}/0`, `tails/${object}/1`]
}

/**
 * The bytes behind the full parts.
 * @throws {ObjectMissing} when they are gone; {@link DraftBusy} when others are in their place, or they are in no tail
 */
export async function loadTail(bucket: Bucket, draft: Draft): Promise<Buffer> {
  const { object } = draft
  const { rest } = draftState(draft)
  if (!rest) return Buffer.alloc(0)
  if (rest.slot === null) throw new DraftBusy(`${object} has its last bytes`)
  const tail = await bucket.getAll(tailKeys(object)[rest.slot])
  if (checksumOf(tail) !== rest.checksum) throw new DraftBusy(`the tail of ${object} is another process's`)
  return tail
}

/** Puts the rest into the tail that does not hold the one before, which stays good until the new draft is brought. */
export async function saveTail(
  bucket: Bucket,
  draft: Draft,
  rest: Buffer,
  notes: DraftState,
): Promise<Draft> {
  const { rest: before, ...others } = notes
  if (rest.length === 0) return { ...draft, state: others }
  const slot = before?.slot === 0 ? 1 : 0
  const checksum = checksumOf(rest)
  await bucket.put(tailKeys(draft.object)[slot], rest, checksum, false)
  return { ...draft, state: { ...others, slots: Math.max(notes.slots, slot + 1), rest: { checksum, slot } } }
}

/** Puts the last bytes where they will stay: as the last part, or as the object itself when it fits into one. */
export async function uploadLastPart(
  bucket: Bucket,
  draft: Draft,
  rest: Buffer,
  notes: DraftState,
): Promise<Draft> {
  const { rest: _, ...others } = notes
  const checksum = checksumOf(rest)
  const { parts } = planParts(draft.size)
  if (parts > 0 && rest.length === 0) return { ...draft, state: others }
  const placed = { ...draft, state: { ...others, rest: { checksum, slot: null } } }
  const key = blobKey(draft.object)
  if (parts > 0) await bucket.uploadPart(key, notes.upload ?? '', { number: parts + 1, body: rest, checksum })
  else await orThere(bucket, placed, () => bucket.put(key, rest, checksum, true))
  return placed
}

/**
 * Makes the object, and then lets go of the tails. Each step finds what an earlier attempt may have done already.
 */
export async function commitDraft(bucket: Bucket, draft: Draft): Promise<void> {
  const { object, size } = draft
  const { rest, slots } = draftState(draft)
  const { parts } = planParts(size)
  const isPlaced = parts === 0 && rest?.slot === null
  if (!isPlaced)
    await orThere(bucket, draft, () => (parts === 0 ? putWhole(bucket, draft) : completeParts(bucket, draft)))
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
  const ours = parts.slice(0, count)
  const { checksum } = await objectChecksum(draft)
  if (checksumOfParts(ours.map(part => part.checksum)) !== checksum)
    throw new DraftBusy(`the parts of ${object} are another process's`)
  await bucket.complete(key, upload, ours)
}

/**
 * Does a step that can be done once only. Where it fails because something is gone or there already, an earlier attempt
 * may have done it and lost the answer: then the object is what the draft says. Or another process is just doing it, and
 * neither the upload nor the object is to be found meanwhile: then it is tried again.
 */
async function orThere(bucket: Bucket, draft: Draft, step: () => Promise<void>): Promise<void> {
  for (const pause of [...PAUSES, undefined]) {
    try {
      await step()
      return
    } catch (error) {
      const busy = error instanceof DraftBusy
      const gone = error instanceof ObjectMissing
      const taken = hasErrorName(error, 'PreconditionFailed', 'ConditionalRequestConflict', 'InvalidPart')
      // S3 may refuse what is there already before it has read the body, and then the connection is all that is seen to go.
      const lost = error instanceof StoreBusy
      if (!busy && !gone && !taken && !lost) throw error
      if (await isThere(bucket, draft)) return
      if (lost) throw error
      if (pause !== undefined && !busy) await sleep(pause)
      else if (gone) throw new ObjectMissing(`the bytes of ${draft.object} are gone`, { cause: error })
      else throw new DraftBusy(`${draft.object} is another process's`, { cause: error })
    }
  }
}

/** @throws {DraftBusy} when there is another in its place */
async function isThere(bucket: Bucket, draft: Draft): Promise<boolean> {
  const found = await bucket.head(blobKey(draft.object))
  if (!found) return false
  const { size, checksum } = await objectChecksum(draft)
  if (found.size !== size || found.checksum !== checksum)
    throw new DraftBusy(`${draft.object} is another process's`)
  return true
}
