import { type Algorithm, algorithmOf, type Digest } from '../protocol/digest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { SessionAddress, UploadId } from '../protocol/reference.ts'
import { type Bytes, DraftBusy, ObjectMissing } from '../store/blobs.ts'
import type { UploadRow } from '../store/records.ts'
import type { Write } from '../store/table.ts'
import type { Chunk } from './chunk.ts'
import type { Dependencies } from './dependencies.ts'
import type { Links } from './links.ts'
import { retryOnConflict } from './retry.ts'
import { IDLE_LIMIT, SessionWork, TakenOver } from './session-work.ts'
import {
  ANY_OWNER,
  type Owner,
  type SessionKey,
  type UploadSession,
  UploadSessions,
  uploadUnknown,
} from './sessions.ts'
import { UploadClosing } from './upload-closing.ts'

/** How often a silent request is looked at, in milliseconds. */
const LOOK_EVERY = 1_000

/**
 * Upload sessions: from the first POST to the blob, across requests, processes and crashes. To an owner, a session that another
 * owner began does not exist.
 */
export class Uploads {
  readonly #deps: Dependencies
  readonly #sessions: UploadSessions
  readonly #closing: UploadClosing
  readonly #atWork = new Map<UploadId, SessionWork>()
  constructor(deps: Dependencies, links: Links) {
    this.#deps = deps
    this.#sessions = new UploadSessions(deps)
    this.#closing = new UploadClosing(deps, links, this.#sessions)
  }

  begin(name: RepositoryName, algorithm: Algorithm, owner: Owner): Promise<UploadSession> {
    const direct = this.#deps.directUploads !== undefined && algorithm === 'sha256'
    const about = { ...(direct && { direct }), ...(owner !== ANY_OWNER && { owner }) }
    return this.#sessions.begin(name, algorithm, about)
  }

  /** @throws {RegistryError} BLOB_UPLOAD_UNKNOWN */
  async status(key: SessionKey): Promise<UploadSession> {
    return this.#sessions.describe(key, await this.#sessions.expect(key))
  }

  /**
   * Adds a chunk.
   * @throws {RegistryError} BLOB_UPLOAD_UNKNOWN; RANGE_INVALID, telling where to go on, when the chunk does not follow
   * what is there or another request was faster; SIZE_INVALID when it is not as long as it said
   */
  append(key: SessionKey, chunk: Chunk): Promise<UploadSession> {
    return this.#alone(key, chunk, async watched => {
      const row = await this.#sessions.expect(key)
      if (row.closing) throw this.#sessions.outOfOrder(key, row)
      const draft = await this.#sessions.receive(key, row, watched ?? chunk)
      return this.#sessions.describe(key, await this.#sessions.record(key, row, { draft }))
    })
  }

  /**
   * Ends the session: its bytes, and those of the last chunk if there is one, become a blob of the repository. A client
   * that did not hear the answer may ask again, even when the session has gone with the first time.
   * @param mayPull whether the client may pull from the repository, and so may learn which blobs it holds
   * @throws {RegistryError} DIGEST_INVALID when the bytes have another digest, and the session stays as it was or, where
   * the store cannot add to them any more, is over; else as {@link append}
   */
  finish(key: SessionKey, digest: Digest, last: Chunk | undefined, mayPull: boolean): Promise<void> {
    return this.#alone(key, last, chunk => this.#closing.run(key, digest, chunk, mayPull))
  }

  /** A blob in one request (end-4b): no session outlives it. @throws as {@link finish} */
  async push(name: RepositoryName, digest: Digest, bytes: Bytes): Promise<void> {
    const { upload } = await this.#sessions.begin(name, algorithmOf(digest), {})
    const key = { name, upload, owner: ANY_OWNER } as const
    try {
      await this.finish(key, digest, { bytes }, true)
    } catch (error) {
      await this.cancel(key).catch(() => {}) // it expires by itself
      throw error
    }
  }

  /** @throws {RegistryError} BLOB_UPLOAD_UNKNOWN */
  async cancel(key: SessionKey): Promise<void> {
    const { table, store } = this.#deps
    const draft = await retryOnConflict(async () => {
      const row = await this.#sessions.expect(key)
      await table.transact(...this.#sessions.dropWrites(key, row))
      return row.draft
    })
    if (!this.#atWork.has(key.upload)) await store.discard(draft)
  }

  /** Whether a request is at work on the session in this process: one that sends for a day is slow, not idle. */
  isActive(upload: UploadId): boolean {
    return this.#atWork.has(upload)
  }

  /** The writes that end a session without a blob. */
  dropWrites(session: SessionAddress, row: UploadRow): Write[] {
    return this.#sessions.dropWrites(session, row)
  }

  /**
   * One request at a time for a session: a second one would write over what the first has just been promised. A first one whose client
   * sends nothing any more gives way. Between processes the version in the row decides, and the store must notice bytes that another
   * process wrote.
   * @param work is given the chunk as it is to be read
   */
  async #alone<T>(
    key: SessionKey,
    chunk: Chunk | undefined,
    work: (chunk: Chunk | undefined) => Promise<T>,
  ): Promise<T> {
    const { upload } = key
    const elsewhere = async () => this.#sessions.outOfOrder(key, await this.#sessions.expect(key))
    const older = this.#atWork.get(upload)
    if (older) {
      const row = await this.#sessions.expect(key)
      // A chunk for another place is refused at once: the client has to hear where to go on.
      const follows = chunk?.range === undefined || chunk.range.first === row.draft.size
      if (!follows || !(await this.#takeOver(older))) throw await elsewhere()
      if (this.#atWork.has(upload)) throw await elsewhere() // somebody newer was faster
    }
    const mine = new SessionWork(this.#deps.clock)
    this.#atWork.set(upload, mine)
    try {
      return await work(chunk && { ...chunk, bytes: mine.watch(chunk.bytes) })
    } catch (error) {
      if (error instanceof TakenOver) throw await elsewhere()
      if (error instanceof ObjectMissing) uploadUnknown() // a backup had the row and not the draft, or another process ends the session
      throw error instanceof DraftBusy ? await elsewhere() : error
    } finally {
      this.#atWork.delete(upload)
      mine.end()
    }
  }

  /**
   * Waits until the older request has been silent for long enough, and then until it has let go of the session. Clients that repeat a chunk
   * after a broken connection give up within seconds when they are refused, so the newer request is kept waiting instead.
   * @returns false as soon as the older request has shown that its client is alive
   */
  async #takeOver(older: SessionWork): Promise<boolean> {
    const { pause } = this.#deps
    const { moved } = older
    for (let waited = 0; !older.takeOver(); waited += LOOK_EVERY) {
      if (!pause || !older.isWaiting || older.moved !== moved || waited >= IDLE_LIMIT) return false
      await pause(LOOK_EVERY)
    }
    await older.ended
    return true
  }
}
