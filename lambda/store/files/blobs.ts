import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, link, open, rename, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type Algorithm, type Digest, digestOf } from '../../protocol/digest.ts'
import {
  type BlobStore,
  type ByteRange,
  type Bytes,
  type Draft,
  DraftBusy,
  ObjectMissing,
  type ObjectName,
} from '../blobs.ts'
import { HashCache } from '../shared/hash-cache.ts'
import { checkObjectName } from '../shared/object-name.ts'
import { WriteLock } from '../shared/write-lock.ts'
import { ignoreNotFound, makeDirectory, mapDiskFull, syncDirectory } from './durable.ts'
import { FileReader } from './reader.ts'
import { writeBytes } from './writer.ts'

const MOST_HASHES = 1000

/**
 * Bytes in files of one folder, for one process:
 *
 *     <root>/drafts/<object>                        a draft; what lies beyond the draft's size does not count
 *     <root>/blobs/<first two characters>/<object>  an object
 *
 * An object's bytes are in one of the two places, never in both: commit is a rename.
 */
export class FileBlobs implements BlobStore {
  readonly #root: string
  readonly #hashes = new HashCache(MOST_HASHES)
  readonly #writers = new WriteLock()

  private constructor(root: string) {
    this.#root = root
  }

  /** Makes the folder where there is none. */
  static async open(root: string): Promise<FileBlobs> {
    await makeDirectory(join(root, 'drafts'))
    await makeDirectory(join(root, 'blobs'))
    return new FileBlobs(root)
  }

  begin(object: ObjectName, algorithm: Algorithm): Draft {
    checkObjectName(object)
    return { object, size: 0, algorithm, state: null }
  }

  append(draft: Draft, bytes: Bytes): Promise<Draft> {
    return this.#alone(draft.object, async () => {
      const hash = await mapDiskFull(() => this.#hash(draft, draft.algorithm))
      this.#hashes.keep(draft, hash.copy())
      const file = await mapDiskFull(() => this.#openAtEnd(draft))
      try {
        const size = await writeBytes(file, draft.size, bytes, hash)
        await mapDiskFull(() => file.datasync())
        const longer = { ...draft, size }
        this.#hashes.keep(longer, hash)
        return longer
      } catch (error) {
        // Gives the room back now. Should this fail, the next append does it.
        await file.truncate(draft.size).catch(() => {})
        throw error
      } finally {
        await file.close()
      }
    })
  }

  async digest(draft: Draft, algorithm: Algorithm): Promise<Digest> {
    const hash = await mapDiskFull(() => this.#hash(draft, algorithm))
    return digestOf(algorithm, hash.digest('hex'))
  }

  commit(draft: Draft): Promise<void> {
    const { object, size } = draft
    return this.#alone(object, () =>
      mapDiskFull(async () => {
        const there = await this.stat(object)
        if (there && there.size !== size) throw new DraftBusy(`${object} is there already`)
        if (!there) {
          const file = await this.#openAtEnd(draft)
          try {
            await file.sync()
          } finally {
            await file.close()
          }
          await makeDirectory(this.#shard(object))
          await rename(this.#draft(object), this.#object(object))
        }
        // Also when an earlier commit did the rename: it may have been cut short before this.
        await syncDirectory(this.#shard(object))
        await syncDirectory(this.#drafts)
      }),
    )
  }

  async discard({ object }: Draft): Promise<void> {
    this.#writers.discard(object)
    await mapDiskFull(() => this.#remove(object))
  }

  read(object: ObjectName, range?: ByteRange): Promise<Bytes> {
    return mapDiskFull(async () => {
      const file = await ignoreNotFound(open(this.#object(object), 'r'))
      if (!file) throw new ObjectMissing(`${object} has no file`)
      try {
        const { size } = await file.stat()
        const end = range ? range.last + 1 : size
        if (size < end)
          throw new ObjectMissing(`${object} has a file of ${size} bytes, too short for byte ${end - 1}`)
        return new FileReader(file, range?.first ?? 0, end)
      } catch (error) {
        await file.close()
        throw error
      }
    })
  }

  stat(object: ObjectName): Promise<{ readonly size: number } | undefined> {
    return mapDiskFull(async () => {
      const found = await ignoreNotFound(stat(this.#object(object)))
      return found && { size: found.size }
    })
  }

  /**
   * A hard link that takes the place of the damaged file in one rename. It needs no room and copies nothing, and open readers keep the
   * file that they have. Its name on the way is that of `by`'s draft, so a crash leaves nothing that deleting `by` would not remove.
   */
  restore(damaged: ObjectName, by: ObjectName): Promise<void> {
    return mapDiskFull(async () => {
      const whole = this.#object(by)
      const onTheWay = this.#draft(by)
      await rm(onTheWay, { force: true })
      await link(whole, onTheWay)
      await makeDirectory(this.#shard(damaged))
      await rename(onTheWay, this.#object(damaged))
      // A rename does nothing where both names have the same file already.
      await rm(onTheWay, { force: true })
      await syncDirectory(this.#shard(damaged))
    })
  }

  /** Also the draft, which is what a crash in the middle of {@link commit} has left of an object that a row names. */
  delete(object: ObjectName): Promise<void> {
    return mapDiskFull(async () => {
      await rm(this.#object(object), { force: true })
      await ignoreNotFound(syncDirectory(this.#shard(object)))
      const wasDraft = await ignoreNotFound(unlink(this.#draft(object)).then(() => true))
      if (wasDraft) await syncDirectory(this.#drafts)
    })
  }

  /** Nobody reaches the files but through us. */
  async presign(): Promise<undefined> {}

  #alone<T>(object: ObjectName, work: () => Promise<T>): Promise<T> {
    return this.#writers.alone(object, work, () => this.#remove(object))
  }

  /** The draft's file, from which all that does not belong to the draft is gone. */
  async #openAtEnd(draft: Draft): Promise<FileHandle> {
    const file = (await ignoreNotFound(open(this.#draft(draft.object), 'r+'))) ?? (await this.#create(draft))
    try {
      const { size } = await file.stat()
      if (size < draft.size) throw new ObjectMissing(`${draft.object} has ${size} bytes of ${draft.size}`)
      if (size > draft.size) await file.truncate(draft.size)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async #create({ object, size }: Draft): Promise<FileHandle> {
    if (size > 0) throw new ObjectMissing(`${object} has no file, but ${size} bytes`)
    const file = await open(this.#draft(object), 'wx')
    try {
      await syncDirectory(this.#drafts)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** From memory where it is there; after a restart, and for another algorithm, from the file. */
  async #hash(draft: Draft, algorithm: Algorithm): Promise<Hash> {
    const running = this.#hashes.find(draft, algorithm)
    if (running) return running
    const hash = createHash(algorithm)
    if (draft.size === 0) return hash
    const { object, size } = draft
    const file =
      (await ignoreNotFound(open(this.#draft(object), 'r'))) ??
      (await ignoreNotFound(open(this.#object(object), 'r')))
    if (!file) throw new ObjectMissing(object)
    for await (const piece of new FileReader(file, 0, size)) hash.update(piece)
    return hash
  }

  async #remove(object: ObjectName): Promise<void> {
    this.#hashes.forget(object)
    await this.delete(object)
  }

  get #drafts(): string {
    return join(this.#root, 'drafts')
  }

  #draft(object: ObjectName): string {
    return join(this.#drafts, checkObjectName(object))
  }

  #shard(object: ObjectName): string {
    return join(this.#root, 'blobs', checkObjectName(object).slice(0, 2))
  }

  #object(object: ObjectName): string {
    return join(this.#shard(object), object)
  }
}
