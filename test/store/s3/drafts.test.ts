import { describe, expect, it } from 'vitest'
import { type Draft, DraftBusy, ObjectMissing, StoreBusy } from '../../../lambda/store/blobs.ts'
import type { Bucket, Part } from '../../../lambda/store/s3/bucket.ts'
import { checksumOf, checksumOfParts } from '../../../lambda/store/s3/draft-state.ts'
import { commitDraft } from '../../../lambda/store/s3/drafts.ts'
import { ResumableHash } from '../../../lambda/store/s3/resumable-hash.ts'

const PART = 8 * 2 ** 20

/** A multipart upload, whose parts are listed by the thousand. */
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
  const print = await ResumableHash.resume('sha256')
  for (const { checksum } of parts) print.update(Buffer.from(checksum, 'base64'))
  const state = { upload: 'upload', print: print.save(), slots: 0, hash: {} }
  return { object: 'many', size: parts.length * PART, algorithm: 'sha256', state }
}

describe('committing a draft of thousands of parts', () => {
  it.each([999, 1_000, 1_001, 1_999])('puts all %i together', async count => {
    const parts = partsOf(count)
    const { bucket, completed } = uploadOf(parts)
    await commitDraft(bucket, await draftOf(parts))

    expect(completed).toEqual([parts])
  })

  it('leaves out what an append that was forgotten put behind them', async () => {
    const parts = partsOf(1_005)
    const { bucket, completed } = uploadOf(parts)
    await commitDraft(bucket, await draftOf(parts.slice(0, 1_001)))

    expect(completed).toEqual([parts.slice(0, 1_001)])
  })

  it.each([
    [
      'another',
      (parts: Part[]) => parts.with(1_500, { ...(parts[1_500] as Part), checksum: checksumOf(Buffer.of(1)) }),
    ],
    ['missing', (parts: Part[]) => parts.toSpliced(1_500, 1)],
  ])('puts nothing together when one of them is %s', async (_, altered) => {
    const parts = partsOf(1_600)
    const { bucket, completed } = uploadOf(altered(parts))

    await expect(commitDraft(bucket, await draftOf(parts))).rejects.toBeInstanceOf(DraftBusy)
    expect(completed).toEqual([])
  })
})

describe('committing a draft that is not to be found', () => {
  const parts = partsOf(2)
  const missing = async () => {
    throw new ObjectMissing('no such upload')
  }
  const made = { size: 2 * PART, checksum: checksumOfParts(parts.map(part => part.checksum)) }

  it('waits for another process that is putting it together', async () => {
    const { bucket } = uploadOf(parts)
    const found = [undefined, undefined, made]
    Object.assign(bucket, { complete: missing, head: async () => found.shift() })

    await expect(commitDraft(bucket, await draftOf(parts))).resolves.toBeUndefined()
    expect(found).toEqual([])
  })

  it('does it where the other process failed', async () => {
    const { bucket, completed } = uploadOf(parts)
    const { listParts } = bucket
    let asked = 0
    Object.assign(bucket, {
      listParts: (...args: Parameters<Bucket['listParts']>) => (asked++ < 2 ? missing() : listParts(...args)),
    })
    await commitDraft(bucket, await draftOf(parts))

    expect(completed).toEqual([parts])
  })

  it('says so when nobody is', async () => {
    const { bucket } = uploadOf(parts)
    Object.assign(bucket, { listParts: missing })

    await expect(commitDraft(bucket, await draftOf(parts))).rejects.toBeInstanceOf(ObjectMissing)
  })
})

describe('committing a draft whose connection is always lost', () => {
  const parts = partsOf(2)
  const lost = async () => {
    throw new StoreBusy('no answer')
  }
  const made = { size: 2 * PART, checksum: checksumOfParts(parts.map(part => part.checksum)) }

  it('is done when the object is there all the same', async () => {
    const { bucket } = uploadOf(parts)
    Object.assign(bucket, { complete: lost, head: async () => made })

    await expect(commitDraft(bucket, await draftOf(parts))).resolves.toBeUndefined()
  })

  it('has to wait when it is not', async () => {
    const { bucket } = uploadOf(parts)
    Object.assign(bucket, { complete: lost })

    await expect(commitDraft(bucket, await draftOf(parts))).rejects.toBeInstanceOf(StoreBusy)
  })
})
