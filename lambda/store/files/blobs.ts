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
import { ignoreNotFound, makeDirectory, mapFileErrors, syncDirectory } from './durable.ts'
import { FileReader } from './reader.ts'
import { writeBytes } from './writer.ts'

const MAX_CACHED_HASHES = 1000

/**
 * A {@link BlobStore} that keeps bytes in the files of one folder. Only one process may use the folder:
 *
 *     <root>/drafts/<object>                        a draft; bytes beyond the draft's size are ignored
 *     <root>/blobs/<first two characters>/<object>  an object
 *
 * The bytes are in one of the two places, never in both: a commit renames the file.
 */
export class FileBlobs implements BlobStore {
  readonly #root: string
  readonly #hashes = new HashCache(MAX_CACHED_HASHES)
  readonly #locks = new WriteLock()

  private constructor(root: string) {
    this.#root = root
  }

  /** Opens a store, and creates its folder if it does not exist. */
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
    return this.#withLock(draft.object, async () => {
      const hash = await mapFileErrors(() => this.#hash(draft, draft.algorithm))
      this.#hashes.keep(draft, hash.copy())
      const file = await mapFileErrors(() => this.#openAtEnd(draft))
      try {
        const size = await writeBytes(file, draft.size, bytes, hash)
        await mapFileErrors(() => file.datasync())
        const longer = { ...draft, size }
        this.#hashes.keep(longer, hash)
        return longer
      } catch (error) {
        // Frees the disk space now. If this fails, the next append does it.
        await file.truncate(draft.size).catch(() => {})
        throw error
      } finally {
        await file.close()
      }
    })
  }

  async digest(draft: Draft, algorithm: Algorithm): Promise<Digest> {
    const hash = await mapFileErrors(() => this.#hash(draft, algorithm))
    return digestOf(algorithm, hash.digest('hex'))
  }

  commit(draft: Draft): Promise<void> {
    const { object, size } = draft
    return this.#withLock(object, () =>
      mapFileErrors(async () => {
        const existing = await this.stat(object)
        if (existing && existing.size !== size)
          throw new DraftBusy(`object ${object} already exists with another size`)
        if (!existing) {
          const file = await this.#openAtEnd(draft)
          try {
            await file.sync()
          } finally {
            await file.close()
          }
          await makeDirectory(this.#shard(object))
          await rename(this.#draft(object), this.#object(object))
        }
        // Also after a rename by an earlier commit, which may have been interrupted before it synced.
        await syncDirectory(this.#shard(object))
        await syncDirectory(this.#drafts)
      }),
    )
  }

  async discard({ object }: Draft): Promise<void> {
    this.#locks.discard(object)
    await mapFileErrors(() => this.#remove(object))
  }

  read(object: ObjectName, range?: ByteRange): Promise<Bytes> {
    return mapFileErrors(async () => {
      const file = await ignoreNotFound(open(this.#object(object), 'r'))
      if (!file) throw new ObjectMissing(`object ${object} has no file`)
      try {
        const { size } = await file.stat()
        const end = range ? range.last + 1 : size
        if (size < end)
          throw new ObjectMissing(
            `the file of object ${object} has ${size} bytes, so byte ${end - 1} is missing`,
          )
        return new FileReader(file, range?.first ?? 0, end)
      } catch (error) {
        await file.close()
        throw error
      }
    })
  }

  stat(object: ObjectName): Promise<{ readonly size: number } | undefined> {
    return mapFileErrors(async () => {
      const found = await ignoreNotFound(stat(this.#object(object)))
      return found && { size: found.size }
    })
  }

  /**
   * Renames a hard link to the intact file over the damaged one. This needs no disk space and copies nothing, and open
   * readers keep their file. The temporary name is that of the intact object's draft, so after a crash, deleting the
   * intact object removes it.
   */
  restore(damaged: ObjectName, intact: ObjectName): Promise<void> {
    return mapFileErrors(async () => {
      const temporary = this.#draft(intact)
      await rm(temporary, { force: true })
      await link(this.#object(intact), temporary)
      await makeDirectory(this.#shard(damaged))
      await rename(temporary, this.#object(damaged))
      // If both names are already the same file, the rename does nothing and leaves the temporary name.
      await rm(temporary, { force: true })
      await syncDirectory(this.#shard(damaged))
    })
  }

  /**
   * Deletes the draft too: after a crash during {@link commit}, the draft can be the only file of an object that a row
   * names.
   */
  delete(object: ObjectName): Promise<void> {
    return mapFileErrors(async () => {
      await rm(this.#object(object), { force: true })
      await ignoreNotFound(syncDirectory(this.#shard(object)))
      const wasDraft = await ignoreNotFound(unlink(this.#draft(object)).then(() => true))
      if (wasDraft) await syncDirectory(this.#drafts)
    })
  }

  /** Returns no URL, because clients can reach the files only through the registry. */
  async presign(): Promise<undefined> {}

  #withLock<T>(object: ObjectName, work: () => Promise<T>): Promise<T> {
    return this.#locks.withLock(object, work, () => this.#remove(object))
  }

  /** Opens the draft's file and truncates it to the draft's size. */
  async #openAtEnd(draft: Draft): Promise<FileHandle> {
    const file = (await ignoreNotFound(open(this.#draft(draft.object), 'r+'))) ?? (await this.#create(draft))
    try {
      const { size } = await file.stat()
      if (size < draft.size)
        throw new ObjectMissing(`draft ${draft.object} has ${size} of its ${draft.size} bytes`)
      if (size > draft.size) await file.truncate(draft.size)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async #create({ object, size }: Draft): Promise<FileHandle> {
    if (size > 0) throw new ObjectMissing(`draft ${object} has no file for its ${size} bytes`)
    const file = await open(this.#draft(object), 'wx')
    try {
      await syncDirectory(this.#drafts)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /**
   * The hash of the draft's bytes: from the cache if it is there, otherwise from the file (after a restart, or for
   * another algorithm).
   */
  async #hash(draft: Draft, algorithm: Algorithm): Promise<Hash> {
    const cached = this.#hashes.find(draft, algorithm)
    if (cached) return cached
    const hash = createHash(algorithm)
    if (draft.size === 0) return hash
    const { object, size } = draft
    const file =
      (await ignoreNotFound(open(this.#draft(object), 'r'))) ??
      (await ignoreNotFound(open(this.#object(object), 'r')))
    if (!file) throw new ObjectMissing(`draft ${object} has no file for its ${size} bytes`)
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
