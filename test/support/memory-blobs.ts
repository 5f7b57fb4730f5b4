import { createHash } from 'node:crypto'
import { type Algorithm, type Digest, digestOf } from '../../lambda/protocol/digest.ts'
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
import { type DirectObject, directObject } from '../../lambda/store/direct-object.ts'

/** A store whose drafts carry their bytes in their state, so that no two of them can ever disturb each other. */
export class MemoryBlobs implements BlobStore {
  readonly objects = new Map<ObjectName, Buffer>()
  readonly #discarded = new Set<ObjectName>()
  /** Whether it knows the digests of what clients wrote. */
  tellsDigests = true

  begin(object: ObjectName, algorithm: Algorithm): Draft {
    return { object, size: 0, algorithm, state: '' }
  }

  async append(draft: Draft, bytes: Bytes): Promise<Draft> {
    this.#expectKept(draft)
    const pieces = [bytesOf(draft)]
    for await (const piece of bytes) pieces.push(Buffer.from(piece))
    const whole = Buffer.concat(pieces)
    return { ...draft, size: whole.length, state: whole.toString('base64') }
  }

  async digest(draft: Draft, algorithm: Algorithm): Promise<Digest> {
    return digestOf(algorithm, createHash(algorithm).update(bytesOf(draft)).digest('hex'))
  }

  async commit(draft: Draft): Promise<void> {
    this.#expectKept(draft)
    const bytes = bytesOf(draft)
    if (this.objects.get(draft.object)?.equals(bytes) === false) throw new DraftBusy(draft.object)
    this.objects.set(draft.object, bytes)
  }

  async discard({ object }: Draft): Promise<void> {
    this.#discarded.add(object)
    this.objects.delete(object)
  }

  async read(object: ObjectName, range?: ByteRange): Promise<Bytes> {
    const bytes = this.objects.get(object)
    if (!bytes) throw new ObjectMissing(object)
    return oneOf(range ? bytes.subarray(range.first, range.last + 1) : bytes)
  }

  async stat(object: ObjectName): Promise<{ size: number } | undefined> {
    const bytes = this.objects.get(object)
    return bytes && { size: bytes.length }
  }

  async delete(object: ObjectName): Promise<void> {
    this.objects.delete(object)
  }

  async presign(): Promise<undefined> {}

  /** From now on the last bytes of a draft that is told its digest make the object at once, as they may in S3. */
  placeAtOnce(): void {
    const append = this.append.bind(this)
    this.append = async (draft: Draft, bytes: Bytes, whole?: Digest) => {
      const longer = await append(draft, bytes)
      if (whole) await this.commit(longer)
      return longer
    }
  }

  /** A client writes an object itself, once. @returns whether it was the first */
  write(where: DirectObject, bytes: string): boolean {
    const object = directObject(where)
    if (this.objects.has(object)) return false
    this.objects.set(object, Buffer.from(bytes))
    return true
  }

  async findUploaded(object: ObjectName): Promise<UploadedObject | undefined> {
    const bytes = this.objects.get(object)
    if (!bytes) return undefined
    const digest = digestOf('sha256', createHash('sha256').update(bytes).digest('hex'))
    return { size: bytes.length, ...(this.tellsDigests && { digest }) }
  }

  #expectKept({ object, size }: Draft): void {
    if (size > 0 && this.#discarded.has(object)) throw new ObjectMissing(object)
  }
}

function bytesOf({ state }: Draft): Buffer {
  return Buffer.from(state as string, 'base64')
}

async function* oneOf(bytes: Uint8Array): Bytes {
  yield bytes
}
