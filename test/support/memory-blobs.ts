import { createHash } from 'node:crypto'
import { type Algorithm, type Digest, digestOf } from '../../lambda/protocol/digest.ts'
import type { SessionAddress } from '../../lambda/protocol/reference.ts'
import {
  type BlobStore,
  type ByteRange,
  type Bytes,
  type Draft,
  DraftBusy,
  ObjectMissing,
  type ObjectName,
  type UploadedObject,
} from '../../lambda/store/blobs.ts'
import { directObject } from '../../lambda/store/direct-object.ts'

/** A {@link BlobStore} in memory. Drafts contain their bytes in their state, so they are independent of each other. */
export class MemoryBlobs implements BlobStore {
  readonly objects = new Map<ObjectName, Buffer>()
  readonly #discarded = new Set<ObjectName>()
  /** Whether {@link findUploaded} returns digests. */
  reportsDigests = true

  begin(object: ObjectName, algorithm: Algorithm): Draft {
    return { object, size: 0, algorithm, state: '' }
  }

  async append(draft: Draft, bytes: Bytes): Promise<Draft> {
    this.#expectKept(draft)
    const chunks = [bytesOf(draft)]
    for await (const chunk of bytes) chunks.push(Buffer.from(chunk))
    const all = Buffer.concat(chunks)
    return { ...draft, size: all.length, state: all.toString('base64') }
  }

  async digest(draft: Draft, algorithm: Algorithm): Promise<Digest> {
    return digestOf(algorithm, createHash(algorithm).update(bytesOf(draft)).digest('hex'))
  }

  async commit(draft: Draft): Promise<void> {
    this.#expectKept(draft)
    const bytes = bytesOf(draft)
    if (this.objects.get(draft.object)?.equals(bytes) === false)
      throw new DraftBusy(`object ${draft.object} already exists with other bytes`)
    this.objects.set(draft.object, bytes)
  }

  async discard({ object }: Draft): Promise<void> {
    this.#discarded.add(object)
    this.objects.delete(object)
  }

  async read(object: ObjectName, range?: ByteRange): Promise<Bytes> {
    const bytes = this.objects.get(object)
    if (!bytes) throw new ObjectMissing(`there is no object ${object}`)
    return streamOf(range ? bytes.subarray(range.first, range.last + 1) : bytes)
  }

  async stat(object: ObjectName): Promise<{ size: number } | undefined> {
    const bytes = this.objects.get(object)
    return bytes && { size: bytes.length }
  }

  async delete(object: ObjectName): Promise<void> {
    this.objects.delete(object)
  }

  async presign(): Promise<undefined> {}

  /** Makes appends that are given the digest of all bytes create the object, as the S3 adapter does for small blobs. */
  commitOnLastAppend(): void {
    const append = this.append.bind(this)
    this.append = async (draft: Draft, bytes: Bytes, wholeDigest?: Digest) => {
      const longer = await append(draft, bytes)
      if (wholeDigest) await this.commit(longer)
      return longer
    }
  }

  /** Writes an object as a direct upload does, which cannot overwrite one. @returns whether the object was written */
  write(upload: SessionAddress, bytes: string): boolean {
    const object = directObject(upload)
    if (this.objects.has(object)) return false
    this.objects.set(object, Buffer.from(bytes))
    return true
  }

  async findUploaded(object: ObjectName): Promise<UploadedObject | undefined> {
    const bytes = this.objects.get(object)
    if (!bytes) return undefined
    const digest = digestOf('sha256', createHash('sha256').update(bytes).digest('hex'))
    return { size: bytes.length, ...(this.reportsDigests && { digest }) }
  }

  #expectKept({ object, size }: Draft): void {
    if (size > 0 && this.#discarded.has(object)) throw new ObjectMissing(`draft ${object} was discarded`)
  }
}

function bytesOf({ state }: Draft): Buffer {
  return Buffer.from(state as string, 'base64')
}

async function* streamOf(bytes: Uint8Array): Bytes {
  yield bytes
}
