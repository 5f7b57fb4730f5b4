import { createHash } from 'node:crypto'
import { type Digest, digestOf } from '../protocol/digest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { SessionAddress, UploadId } from '../protocol/reference.ts'
import { type ObjectName, StoreBusy, type UploadedObject } from '../store/blobs.ts'
import { directObject } from '../store/direct-object.ts'
import { keys, ranges } from '../store/keys.ts'
import type { Garbage, UploadRow } from '../store/records.ts'
import { chunked } from '../util/chunked.ts'
import type { Dependencies } from './dependencies.ts'
import { discardUnlessBlob, garbageWrite } from './garbage.ts'
import type { Links } from './links.ts'
import { retryOnConflict } from './retry.ts'

/** How many objects are looked up in the store in parallel. */
const BATCH_SIZE = 16
/**
 * How many sessions one request searches, the newest first. The bound keeps the request short when many sessions were
 * abandoned. Older uploads have been adopted after their S3 event, or the collector adopts them.
 */
const MAX_SESSIONS = 512

/** An object that a direct upload wrote, with the digest that the store or the registry has computed. */
interface WrittenObject extends UploadedObject {
  readonly object: ObjectName
  readonly digest: Digest
}

/**
 * Direct uploads. The client receives its 201 from the store before the registry knows of the bytes. The store has
 * verified them, and the upload session names their object. Adopting the object makes a blob of it. The S3 event, a
 * read, the push of a manifest or the collector adopts it, whichever comes first.
 */
export class DirectUploads {
  readonly #deps: Dependencies
  readonly #links: Links
  constructor(deps: Dependencies, links: Links) {
    this.#deps = deps
    this.#links = links
  }

  /**
   * Adopts the blobs that the repository seems to lack, if direct uploads of its open sessions have written them.
   * @returns false where direct uploads are disabled, so that looking for the blobs again is useless
   */
  async search(name: RepositoryName, missing: readonly Digest[]): Promise<boolean> {
    if (!this.#deps.directUploads) return false
    const { partition, prefix } = ranges.uploads(name)
    const sessions = await this.#deps.table.query<UploadRow>(partition, { prefix })
    const newest = sessions.filter(session => session.direct).sort((a, b) => b.expires - a.expires)
    const uploads = newest.slice(0, MAX_SESSIONS).map(({ sort }) => sort.slice(prefix.length) as UploadId)
    for (const some of chunked(uploads, BATCH_SIZE))
      await Promise.all(
        some.map(upload => this.#adoptIf({ name, upload }, digest => missing.includes(digest))),
      )
    return true
  }

  /**
   * Makes a blob of the object that a direct upload wrote, and ends its session. If the session has ended, the object
   * is discarded unless it is a blob already. May be repeated and run concurrently.
   * @returns false when there is no object, or the session is being closed as the blob of bytes sent through the
   * registry
   * @throws {StoreBusy} when computing the digest would take longer than a request may
   */
  adopt(session: SessionAddress): Promise<boolean> {
    return this.#adoptIf(session, () => true)
  }

  async #adoptIf(session: SessionAddress, isMissing: (digest: Digest) => boolean): Promise<boolean> {
    const written = await this.#findWritten(directObject(session))
    if (!written) return false
    return isMissing(written.digest) ? retryOnConflict(() => this.#publish(session, written)) : true
  }

  async #publish({ name, upload }: SessionAddress, written: WrittenObject): Promise<boolean> {
    const { table, clock, gracePeriod } = this.#deps
    const { object, size, digest } = written
    const row = await table.get<UploadRow>(keys.upload(name, upload))
    if (!row) {
      await discardUnlessBlob(this.#deps, digest, object)
      return true
    }
    if (row.closing) return false // the review of the session finds the object later
    const plan = await this.#links.linkWrites(name, digest, { object, size })
    const { version, draft } = row
    // A request that still works on the session may leave bytes behind: an object, or a draft if the row has recorded
    // bytes.
    const leftover: Garbage =
      version > 0 ? { what: 'draft', draft } : { what: 'object', object: draft.object }
    await table.transact(
      { delete: keys.upload(name, upload), if: { version } },
      ...plan.writes,
      ...(plan.usesUpload ? [] : [garbageWrite(this.#deps, clock(), { what: 'object', object })]),
      garbageWrite(this.#deps, clock() + gracePeriod, leftover),
    )
    return true
  }

  async #findWritten(object: ObjectName): Promise<WrittenObject | undefined> {
    const { store, directUploads } = this.#deps
    const uploaded = directUploads && (await store.findUploaded?.(object))
    if (!uploaded) return undefined
    if (uploaded.digest) return { ...uploaded, object, digest: uploaded.digest }
    if (uploaded.size > directUploads.readLimit)
      throw new StoreBusy(`the digest of ${object} has not been computed yet`)
    const hash = createHash('sha256')
    for await (const piece of await store.read(object)) hash.update(piece)
    return { ...uploaded, object, digest: digestOf('sha256', hash.digest('hex')) }
  }
}
