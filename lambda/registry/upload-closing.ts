import { algorithmOf, type Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { SessionAddress } from '../protocol/reference.ts'
import { DraftBusy, ObjectMissing } from '../store/blobs.ts'
import { keys } from '../store/keys.ts'
import type { UploadRow } from '../store/records.ts'
import { ConditionFailed, type Write } from '../store/table.ts'
import { type Chunk, drain } from './chunk.ts'
import type { Dependencies } from './dependencies.ts'
import { discardUnlessBlob, garbageWrite } from './garbage.ts'
import type { Links } from './links.ts'
import { retryOnConflict } from './retry.ts'
import { type SessionKey, type UploadSessions, uploadUnknown } from './sessions.ts'

/**
 * Closes an upload session: its bytes become a blob of the repository. The caller makes sure that no other request of
 * this process works on the session. Other processes may: the version in the row decides between them.
 */
export class UploadClosing {
  readonly #deps: Dependencies
  readonly #links: Links
  readonly #sessions: UploadSessions
  constructor(deps: Dependencies, links: Links, sessions: UploadSessions) {
    this.#deps = deps
    this.#links = links
    this.#sessions = sessions
  }

  /** See `Uploads.finish`. @param chunk the last chunk, if there is one */
  async run(key: SessionKey, digest: Digest, chunk: Chunk | undefined, mayPull: boolean): Promise<void> {
    const found = await this.#sessions.find(key)
    if (!found) {
      // With an invented session id, a client without pull access could find out whether the repository holds the
      // digest.
      if (!mayPull) uploadUnknown()
      await this.#requirePublished(key.name, digest)
      return drain(chunk)
    }
    try {
      const row = await this.#complete(key, found, digest, chunk)
      await this.#deps.store.commit(row.draft)
      await this.#publish(key, row, digest)
    } catch (error) {
      // Another process may have closed the session as the same blob, and then has its bytes or has deleted its row.
      if (!isTaken(error) || (await this.#sessions.find(key))) throw error
      await this.#requirePublished(key.name, digest)
    }
  }

  /**
   * Receives the last bytes and compares the digest. If it matches, the row records that the session can only end as
   * this blob. If the store must seal the draft to compute the digest, so that no bytes can be added any more, the row
   * records it before.
   */
  async #complete(
    session: SessionAddress,
    row: UploadRow,
    digest: Digest,
    chunk?: Chunk,
  ): Promise<UploadRow> {
    const algorithm = algorithmOf(digest)
    if (row.closing) await drain(chunk) // a repeated request, whose bytes are in the draft already
    const last = row.closing ? undefined : chunk
    const open = row.draft.size === 0 ? { ...row, draft: { ...row.draft, algorithm } } : row
    const draft = last ? await this.#sessions.receive(session, open, last, digest) : open.draft
    let recorded = row
    let isSealed = false
    const seal = async () => {
      isSealed = true
      if (last) recorded = await this.#sessions.record(session, row, { draft, closing: digest })
    }
    const actual = await this.#deps.store.digest(draft, algorithm, seal)
    if (actual !== digest) {
      if (isSealed || recorded.closing === digest) await this.#giveUp(session, recorded)
      const message = `the uploaded bytes have the digest ${actual}, not ${digest}`
      throw new RegistryError('DIGEST_INVALID', { message, detail: { said: digest, actual } })
    }
    if (!last) return { ...row, draft }
    return isSealed ? recorded : this.#sessions.record(session, row, { draft, closing: digest })
  }

  /** Ends a session whose sealed bytes have another digest, unless another process has ended it. */
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
      // The stored bytes may have been damaged or lost, and the uploaded ones have just been verified.
      if (plan.stored) await store.restore?.(plan.stored.object, object)
      // After a grace period, because another process may be about to write the object again.
      const leftover = garbageWrite(this.#deps, clock() + gracePeriod, { what: 'object', object })
      try {
        await table.transact(end, ...plan.writes, ...(plan.usesUpload ? [] : [leftover]))
      } catch (error) {
        if (!(error instanceof ConditionFailed)) throw error
        // The blob row may have gone since it was read. Its object may have been deleted before it was restored here.
        if (plan.stored && store.restore) await discardUnlessBlob(this.#deps, digest, plan.stored.object)
        if (error.failed.includes(0)) return this.#requirePublished(name, digest)
        throw error
      }
    })
  }

  /** The session is gone. If it ended as this blob, the request is a repetition and succeeds. */
  async #requirePublished(name: RepositoryName, digest: Digest): Promise<void> {
    if (!(await this.#links.refresh(name, digest))) uploadUnknown()
  }
}

function isTaken(error: unknown): boolean {
  if (error instanceof RegistryError) return error.code === 'BLOB_UPLOAD_UNKNOWN'
  return error instanceof DraftBusy || error instanceof ObjectMissing
}
