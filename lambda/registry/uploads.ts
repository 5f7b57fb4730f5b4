import { type Algorithm, algorithmOf, type Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { ByteRange } from '../protocol/ranges.ts'
import type { SessionAddress, UploadId } from '../protocol/reference.ts'
import { type Bytes, type Draft, DraftBusy, ObjectMissing, type ObjectName } from '../store/blobs.ts'
import { keys } from '../store/keys.ts'
import type { BlobRow, UploadRow } from '../store/records.ts'
import { ConditionFailed, type Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { garbageWrite } from './garbage.ts'
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

/** How often a silent request is looked at, in milliseconds. */
const LOOK_EVERY = 1_000

/** Bytes that a request brings to a session. */
export interface Chunk {
  readonly bytes: Bytes
  /** Where the client says that they belong (`Content-Range`). Without it they follow what is there. */
  readonly range?: ByteRange
}

/**
 * Upload sessions: from the first POST to the blob, across requests, processes and crashes. To an owner, a session that another
 * owner began does not exist.
 */
export class Uploads {
  readonly #deps: Dependencies
  readonly #links: Links
  readonly #sessions: UploadSessions
  readonly #atWork = new Map<UploadId, SessionWork>()
  constructor(deps: Dependencies, links: Links) {
    this.#deps = deps
    this.#links = links
    this.#sessions = new UploadSessions(deps)
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
      const draft = await this.#receive(key, row, watched ?? chunk)
      return this.#sessions.describe(key, await this.#sessions.record(key, row, { draft }))
    })
  }

  /**
   * Ends the session: its bytes, and those of the last chunk if there is one, become a blob of the repository. A client
   * that did not hear the answer may ask again, even when the session has gone with the first time.
   * @throws {RegistryError} DIGEST_INVALID when the bytes have another digest, and the session stays as it was or, where
   * the store cannot add to them any more, is over; else as {@link append}
   * @param mayPull whether the client may pull from the repository, and so may learn which blobs it holds
   */
  finish(key: SessionKey, digest: Digest, last: Chunk | undefined, mayPull: boolean): Promise<void> {
    const { name } = key
    return this.#alone(key, last, async chunk => {
      const found = await this.#sessions.find(key)
      if (!found) {
        if (!mayPull) uploadUnknown() // an id that the client made up would tell whether the repository holds the digest
        await this.#expectFinished(name, digest)
        return drain(chunk)
      }
      try {
        const row = await this.#close(key, found, digest, chunk)
        await this.#deps.store.commit(row.draft)
        await this.#publish(key, row, digest)
      } catch (error) {
        // Another process may have been faster with the same: then it has the session's bytes, or the session itself.
        if (!isTaken(error) || (await this.#sessions.find(key))) throw error
        await this.#expectFinished(name, digest)
      }
    })
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

  async #receive(
    session: SessionAddress,
    row: UploadRow,
    { bytes, range }: Chunk,
    whole?: Digest,
  ): Promise<Draft> {
    const { size } = row.draft
    if (range && range.first !== size) throw this.#sessions.outOfOrder(session, row)
    const draft = await this.#deps.store.append(row.draft, bytes, whole)
    if (range && draft.size !== range.last + 1)
      throw wrongLength(range.last - range.first + 1, { sent: draft.size - size })
    return draft
  }

  /**
   * Receives the last bytes and compares the digest of all. If it is right, the row notes that the session can only end as this
   * blob. If the store must seal the draft to know the digest, so that nothing can be added any more, the row notes it before.
   */
  async #close(session: SessionAddress, row: UploadRow, digest: Digest, chunk?: Chunk): Promise<UploadRow> {
    const algorithm = algorithmOf(digest)
    if (row.closing) await drain(chunk) // a repeated request: these bytes are in already
    const last = row.closing ? undefined : chunk
    const open = row.draft.size === 0 ? { ...row, draft: { ...row.draft, algorithm } } : row
    const draft = last ? await this.#receive(session, open, last, digest) : open.draft
    let noted = row
    let sealed = false
    const seal = async () => {
      sealed = true
      if (last) noted = await this.#sessions.record(session, row, { draft, closing: digest })
    }
    const actual = await this.#deps.store.digest(draft, algorithm, seal)
    if (actual !== digest) {
      if (sealed || noted.closing === digest) await this.#giveUp(session, noted)
      const message = `the uploaded bytes have the digest ${actual}, not ${digest}`
      throw new RegistryError('DIGEST_INVALID', { message, detail: { said: digest, actual } })
    }
    if (!last) return { ...row, draft }
    return sealed ? noted : this.#sessions.record(session, row, { draft, closing: digest })
  }

  /** Ends a session that takes no more bytes and has another digest than it was to have, unless another process has ended it. */
  async #giveUp(session: SessionAddress, row: UploadRow): Promise<void> {
    try {
      await this.#deps.table.transact(...this.#sessions.dropWrites(session, row))
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
    }
  }

  async #publish({ name, upload }: SessionAddress, row: UploadRow, digest: Digest): Promise<void> {
    const { table, store, clock, gracePeriod } = this.#deps
    const { object, size } = row.draft
    const end: Write = { delete: keys.upload(name, upload), if: { version: row.version } }
    await retryOnConflict(async () => {
      const plan = await this.#links.linkWrites(name, digest, { object, size })
      // The stored bytes may have been damaged or lost, and these have just been verified.
      if (plan.stored) await store.restore?.(plan.stored.object, object)
      // After a grace, because another process may be about to write it once more.
      const leftover = garbageWrite(this.#deps, clock() + gracePeriod, { what: 'object', object })
      try {
        await table.transact(end, ...plan.writes, ...(plan.usesOffer ? [] : [leftover]))
      } catch (error) {
        if (!(error instanceof ConditionFailed)) throw error
        if (plan.stored && store.restore) await this.#dropUnlessBlob(digest, plan.stored.object)
        if (error.failed.includes(0)) return this.#expectFinished(name, digest)
        throw error
      }
    })
  }

  /** An object that was restored for a blob row which has gone since: the collector may have deleted the object before that. */
  async #dropUnlessBlob(digest: Digest, object: ObjectName): Promise<void> {
    const { table, clock, gracePeriod } = this.#deps
    const blob = await table.get<BlobRow>(keys.blob(digest))
    if (blob?.object === object) return
    await table.transact(garbageWrite(this.#deps, clock() + gracePeriod, { what: 'object', object }))
  }

  /** The session is gone. If it went with this very blob, the client is asking again and has what it wants. */
  async #expectFinished(name: RepositoryName, digest: Digest): Promise<void> {
    if (!(await this.#links.refresh(name, digest))) uploadUnknown()
  }
}

/** SIZE_INVALID: the chunk is not as long as its Content-Range says. @param actual its length, under the name of its source */
export function wrongLength(
  said: number,
  actual: { readonly sent: number } | { readonly length: number },
): RegistryError {
  const message = `Content-Range says ${said} bytes, the body has ${Object.values(actual)[0]}`
  return new RegistryError('SIZE_INVALID', { message, detail: { said, ...actual } })
}

async function drain(chunk?: Chunk): Promise<void> {
  if (chunk) for await (const _ of chunk.bytes);
}

function isTaken(error: unknown): boolean {
  if (error instanceof RegistryError) return error.code === 'BLOB_UPLOAD_UNKNOWN'
  return error instanceof DraftBusy || error instanceof ObjectMissing
}
