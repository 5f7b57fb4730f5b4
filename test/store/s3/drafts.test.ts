import { describe, expect, it } from 'vitest'
import { type Draft, DraftBusy, ObjectMissing, StoreBusy } from '../../../lambda/store/blobs.ts'
import type { Bucket, Part } from '../../../lambda/store/s3/bucket.ts'
import { checksumOf, checksumOfParts } from '../../../lambda/store/s3/draft-state.ts'
import { commitDraft } from '../../../lambda/store/s3/drafts.ts'
import { ResumableHash } from '../../../lambda/store/s3/resumable-hash.ts'

const PART = 8 * 2 ** 20

/** A bucket with a multipart upload of these parts. Lists 1,000 parts per request. */
function uploadOf(parts: readonly Part[]) {
  const completed: (readonly Part[])[] = []
  const bucket: Partial<Bucket> = {
    listParts: async (_key, _upload, after) => ({
      parts: parts.slice(after, after + 1_000),
      more: parts.length > after + 1_000,
    }),
    complete: async (_key, _upload, parts) => void completed.push(parts),
    head: async () => undefined,
  }
  return { bucket: bucket as Bucket, completed }
}

function partsOf(count: number): Part[] {
  return Array.from({ length: count }, (_, index) => {
    const number = index + 1
    return { number, etag: `"${number}"`, checksum: checksumOf(Buffer.from(`part ${number}`)) }
  })
}

async function draftOf(parts: readonly Part[]): Promise<Draft> {
  const partsDigest = await ResumableHash.resume('sha256')
  for (const { checksum } of parts) partsDigest.update(Buffer.from(checksum, 'base64'))
  const state = { upload: 'upload', print: partsDigest.save(), slots: 0, hash: {} }
  return { object: 'many', size: parts.length * PART, algorithm: 'sha256', state }
}

describe('commitDraft with thousands of parts', () => {
  it.each([999, 1_000, 1_001, 1_999])('completes the upload with all %i parts', async count => {
    const parts = partsOf(count)
    const { bucket, completed } = uploadOf(parts)
    await commitDraft(bucket, await draftOf(parts))

    expect(completed).toEqual([parts])
  })

  it('leaves out the parts of an append whose draft was not kept', async () => {
    const parts = partsOf(1_005)
    const { bucket, completed } = uploadOf(parts)
    await commitDraft(bucket, await draftOf(parts.slice(0, 1_001)))

    expect(completed).toEqual([parts.slice(0, 1_001)])
  })

  it.each([
    [
      'has other bytes',
      (parts: Part[]) => parts.with(1_500, { ...(parts[1_500] as Part), checksum: checksumOf(Buffer.of(1)) }),
    ],
    ['is missing', (parts: Part[]) => parts.toSpliced(1_500, 1)],
  ])('throws DraftBusy and completes nothing when a part %s', async (_, altered) => {
    const parts = partsOf(1_600)
    const { bucket, completed } = uploadOf(altered(parts))

    await expect(commitDraft(bucket, await draftOf(parts))).rejects.toBeInstanceOf(DraftBusy)
    expect(completed).toEqual([])
  })
})

describe('commitDraft with a missing multipart upload', () => {
  const parts = partsOf(2)
  const missing = async () => {
    throw new ObjectMissing('no such upload')
  }
  const createdObject = { size: 2 * PART, checksum: checksumOfParts(parts.map(part => part.checksum)) }

  it('waits for another process that is completing it', async () => {
    const { bucket } = uploadOf(parts)
    const found = [undefined, undefined, createdObject]
    Object.assign(bucket, { complete: missing, head: async () => found.shift() })

    await expect(commitDraft(bucket, await draftOf(parts))).resolves.toBeUndefined()
    expect(found).toEqual([])
  })

  it('completes the upload when it appears again', async () => {
    const { bucket, completed } = uploadOf(parts)
    const { listParts } = bucket
    let requests = 0
    Object.assign(bucket, {
      listParts: (...args: Parameters<Bucket['listParts']>) =>
        requests++ < 2 ? missing() : listParts(...args),
    })
    await commitDraft(bucket, await draftOf(parts))

    expect(completed).toEqual([parts])
  })

  it('throws ObjectMissing after the last attempt', async () => {
    const { bucket } = uploadOf(parts)
    Object.assign(bucket, { listParts: missing })

    await expect(commitDraft(bucket, await draftOf(parts))).rejects.toBeInstanceOf(ObjectMissing)
  })
})

describe('commitDraft with a lost connection', () => {
  const parts = partsOf(2)
  const lost = async () => {
    throw new StoreBusy('no answer')
  }
  const createdObject = { size: 2 * PART, checksum: checksumOfParts(parts.map(part => part.checksum)) }

  it('succeeds if the object exists', async () => {
    const { bucket } = uploadOf(parts)
    Object.assign(bucket, { complete: lost, head: async () => createdObject })

    await expect(commitDraft(bucket, await draftOf(parts))).resolves.toBeUndefined()
  })

  it('throws StoreBusy if the object does not exist', async () => {
    const { bucket } = uploadOf(parts)
    Object.assign(bucket, { complete: lost })

    await expect(commitDraft(bucket, await draftOf(parts))).rejects.toBeInstanceOf(StoreBusy)
  })
})
