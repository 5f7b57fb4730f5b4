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
import { MAX_IDLE_MS, SessionWork, TakenOver } from './session-work.ts'
import {
  ANY_OWNER,
  type Owner,
  type SessionKey,
  type UploadSession,
  UploadSessions,
  uploadUnknown,
} from './sessions.ts'
import { UploadClosing } from './upload-closing.ts'

/** How often a newer request checks whether an older one has stalled, in milliseconds. */
const POLL_INTERVAL_MS = 1_000

/**
 * Upload sessions, from the POST that begins one to the blob. A session survives crashes, and its requests may reach
 * different processes. To an owner, a session that another owner began does not exist.
 */
export class Uploads {
  readonly #deps: Dependencies
  readonly #sessions: UploadSessions
  readonly #closing: UploadClosing
  readonly #active = new Map<UploadId, SessionWork>()
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
    return this.#sessions.describe(key, await this.#sessions.get(key))
  }

  /**
   * Adds a chunk.
   * @throws {RegistryError} BLOB_UPLOAD_UNKNOWN; RANGE_INVALID, with the position to continue at, when the chunk does
   * not follow the bytes of the session or another request works on it; SIZE_INVALID when the chunk is not as long as
   * its range
   */
  append(key: SessionKey, chunk: Chunk): Promise<UploadSession> {
    return this.#withLock(key, chunk, async watched => {
      const row = await this.#sessions.get(key)
      if (row.closing) throw this.#sessions.outOfOrder(key, row)
      const draft = await this.#sessions.receive(key, row, watched ?? chunk)
      return this.#sessions.describe(key, await this.#sessions.record(key, row, { draft }))
    })
  }

  /**
   * Closes the session: its bytes, and those of the last chunk if there is one, become a blob of the repository. A
   * client that did not receive the response may repeat the request, although the session is gone then.
   * @param mayPull whether the client may pull from the repository, and so may learn which blobs it holds
   * @throws {RegistryError} DIGEST_INVALID when the bytes have another digest. The session is unchanged then, or has
   * ended if the store cannot add bytes to it any more. Otherwise as {@link append}
   */
  finish(key: SessionKey, digest: Digest, last: Chunk | undefined, mayPull: boolean): Promise<void> {
    return this.#withLock(key, last, chunk => this.#closing.run(key, digest, chunk, mayPull))
  }

  /** Uploads a blob in one request (end-4b). Its session ends with the request. @throws as {@link finish} */
  async push(name: RepositoryName, digest: Digest, bytes: Bytes): Promise<void> {
    const { upload } = await this.#sessions.begin(name, algorithmOf(digest), {})
    const key = { name, upload, owner: ANY_OWNER } as const
    try {
      await this.finish(key, digest, { bytes }, true)
    } catch (error) {
      await this.cancel(key).catch(() => {}) // the session expires anyway
      throw error
    }
  }

  /** @throws {RegistryError} BLOB_UPLOAD_UNKNOWN */
  async cancel(key: SessionKey): Promise<void> {
    const { table, store } = this.#deps
    const draft = await retryOnConflict(async () => {
      const row = await this.#sessions.get(key)
      await table.transact(...this.#sessions.dropWrites(key, row))
      return row.draft
    })
    if (!this.#active.has(key.upload)) await store.discard(draft)
  }

  /**
   * Whether a request of this process works on the session. A session whose client sends slowly for a day is not idle.
   */
  isActive(upload: UploadId): boolean {
    return this.#active.has(upload)
  }

  /** The writes that end a session without a blob. */
  dropWrites(session: SessionAddress, row: UploadRow): Write[] {
    return this.#sessions.dropWrites(session, row)
  }

  /**
   * Runs the work of one request at a time for each session: a second request would overwrite bytes that the first has
   * acknowledged. A request whose client has stalled is replaced by a newer one. Between processes the version in the
   * row decides, and the store must detect bytes that another process wrote.
   * @param work receives the chunk in the form that detects stalls
   */
  async #withLock<T>(
    key: SessionKey,
    chunk: Chunk | undefined,
    work: (chunk: Chunk | undefined) => Promise<T>,
  ): Promise<T> {
    const { upload } = key
    const outOfOrder = async () => this.#sessions.outOfOrder(key, await this.#sessions.get(key))
    const older = this.#active.get(upload)
    if (older) {
      const row = await this.#sessions.get(key)
      // A chunk for another position is refused at once, so that the client learns where to continue.
      const follows = chunk?.range === undefined || chunk.range.first === row.draft.size
      if (!follows || !(await this.#takeOver(older))) throw await outOfOrder()
      if (this.#active.has(upload)) throw await outOfOrder() // another newer request was faster
    }
    const current = new SessionWork(this.#deps.clock)
    this.#active.set(upload, current)
    try {
      return await work(chunk && { ...chunk, bytes: current.watch(chunk.bytes) })
    } catch (error) {
      if (error instanceof TakenOver) throw await outOfOrder()
      // A restored backup has the row without the draft, or another process has ended the session.
      if (error instanceof ObjectMissing) uploadUnknown()
      throw error instanceof DraftBusy ? await outOfOrder() : error
    } finally {
      this.#active.delete(upload)
      current.end()
    }
  }

  /**
   * Waits until the older request has stalled for {@link MAX_IDLE_MS}, and then until it has stopped working on the
   * session. A client that repeats a chunk after a broken connection gives up within seconds when it is refused, so the
   * newer request waits instead.
   * @returns false as soon as the client of the older request sends bytes
   */
  async #takeOver(older: SessionWork): Promise<boolean> {
    const { pause } = this.#deps
    const { lastBytesAt } = older
    for (let waited = 0; !older.takeOver(); waited += POLL_INTERVAL_MS) {
      if (!pause || !older.isWaiting || older.lastBytesAt !== lastBytesAt || waited >= MAX_IDLE_MS)
        return false
      await pause(POLL_INTERVAL_MS)
    }
    await older.ended
    return true
  }
}
