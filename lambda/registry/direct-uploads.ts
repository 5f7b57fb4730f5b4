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

/** How many objects are looked up in the store at the same time. */
const BATCH_SIZE = 16
/**
 * How many sessions a request looks at, the newest first, so that it can be answered in time however many were abandoned. What
 * is older has been adopted after its S3 event, or the collector will adopt it.
 */
const MAX_SESSIONS = 512

/** An object that a client wrote, with the digest that the store or we have found. */
interface Arrived extends UploadedObject {
  readonly object: ObjectName
  readonly digest: Digest
}

/**
 * Blobs that clients write into the store themselves. The client has its 201 before the registry knows of the bytes:
 * the store has verified them, and the session names their object. Adopting an object makes a blob of it. The S3 event, a read,
 * the push of a manifest or the collector does so, whichever comes first.
 */
export class DirectUploads {
  readonly #deps: Dependencies
  readonly #links: Links
  constructor(deps: Dependencies, links: Links) {
    this.#deps = deps
    this.#links = links
  }

  /**
   * Looks for blobs that the repository seems to lack among the objects of its open sessions.
   * @returns false where direct uploads are off, so that a second look would find nothing new
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
   * Makes a blob of what a client wrote for a session, and ends the session. Where that is gone, the object goes too
   * unless it is a blob already. May be repeated, and raced.
   * @returns false when there is no object, or its session is to end as other bytes
   * @throws {StoreBusy} when its digest is yet to be found and that takes longer than a request may
   */
  adopt(session: SessionAddress): Promise<boolean> {
    return this.#adoptIf(session, () => true)
  }

  async #adoptIf(session: SessionAddress, wanted: (digest: Digest) => boolean): Promise<boolean> {
    const arrived = await this.#arrived(directObject(session))
    if (!arrived) return false
    return wanted(arrived.digest) ? retryOnConflict(() => this.#publish(session, arrived)) : true
  }

  async #publish({ name, upload }: SessionAddress, arrived: Arrived): Promise<boolean> {
    const { table, clock, gracePeriod } = this.#deps
    const { object, size, digest } = arrived
    const row = await table.get<UploadRow>(keys.upload(name, upload))
    if (!row) {
      await discardUnlessBlob(this.#deps, digest, object)
      return true
    }
    if (row.closing) return false // it becomes a blob of the bytes sent through the registry, and its review finds the object
    const plan = await this.#links.linkWrites(name, digest, { object, size })
    const { version, draft } = row
    // A request may still be at work on the session, and leave something behind: a whole object, or where the row has recorded
    // bytes, a draft.
    const ours: Garbage = version > 0 ? { what: 'draft', draft } : { what: 'object', object: draft.object }
    await table.transact(
      { delete: keys.upload(name, upload), if: { version } },
      ...plan.writes,
      ...(plan.usesOffer ? [] : [garbageWrite(this.#deps, clock(), { what: 'object', object })]),
      garbageWrite(this.#deps, clock() + gracePeriod, ours),
    )
    return true
  }

  async #arrived(object: ObjectName): Promise<Arrived | undefined> {
    const { store, directUploads } = this.#deps
    const received = directUploads && (await store.findUploaded?.(object))
    if (!received) return undefined
    if (received.digest) return { ...received, object, digest: received.digest }
    if (received.size > directUploads.readLimit) throw new StoreBusy(`${object} has yet to be read`)
    const hash = createHash('sha256')
    for await (const piece of await store.read(object)) hash.update(piece)
    return { ...received, object, digest: digestOf('sha256', hash.digest('hex')) }
  }
}
