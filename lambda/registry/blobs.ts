import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { ByteRange } from '../protocol/ranges.ts'
import { type Bytes, ObjectMissing, type ObjectName, type PresignRequest } from '../store/blobs.ts'
import { keys, ranges } from '../store/keys.ts'
import type { BlobRow, LinkRow } from '../store/records.ts'
import type { Dependencies } from './dependencies.ts'
import type { DirectUploads } from './direct-uploads.ts'
import type { Links } from './links.ts'
import { retryOnConflict } from './retry.ts'

/** A blob as one repository sees it. */
export interface Blob {
  readonly object: ObjectName
  readonly size: number
}

/** The blobs that repositories hold. */
export class Blobs {
  readonly #deps: Dependencies
  readonly #links: Links
  readonly #directUploads: DirectUploads
  constructor(deps: Dependencies, links: Links, directUploads: DirectUploads) {
    this.#deps = deps
    this.#links = links
    this.#directUploads = directUploads
  }

  /** Finds a blob whose bytes are requested. @throws {RegistryError} BLOB_UNKNOWN */
  find(name: RepositoryName, digest: Digest): Promise<Blob> {
    return this.#get(name, digest, () => this.#links.find(name, digest))
  }

  /**
   * Finds a blob and keeps it, for a client that will reference it: see {@link Links.refresh}.
   * @throws {RegistryError} BLOB_UNKNOWN
   */
  refresh(name: RepositoryName, digest: Digest): Promise<Blob> {
    return this.#get(name, digest, () => this.#links.refresh(name, digest))
  }

  /** The URL at which the client can fetch the bytes from the store itself; undefined where it cannot. */
  redirectUrl({ object }: Blob, request: PresignRequest): Promise<string | undefined> {
    return this.#deps.store.presign(object, request)
  }

  /** @throws {ObjectMissing} before the first byte, when the store has lost the object or a part of it */
  read({ object, size }: Blob, range?: ByteRange): Promise<Bytes> {
    const all = size > 0 ? { first: 0, last: size - 1 } : undefined
    return this.#deps.store.read(object, range ?? all)
  }

  /** Checks that the bytes are stored: a HEAD must agree with the GET. @throws {ObjectMissing} as {@link read} */
  async requireStored(blob: Blob): Promise<void> {
    if (await this.#isStored(blob)) return
    throw new ObjectMissing(`the file of ${blob.object} is missing or shorter than ${blob.size} bytes`)
  }

  /**
   * Mounts a blob that another repository holds.
   * @param from the source repository; undefined for any (distribution spec, "Mounting a blob": anonymous mount)
   * @param mayPull whether the caller may pull from the target repository. If not, only the source decides, because the
   * result would otherwise reveal which blobs the target holds
   * @returns false when the blob cannot be mounted and the client must upload it
   */
  async mount(
    name: RepositoryName,
    digest: Digest,
    from: RepositoryName | undefined,
    mayPull: boolean,
  ): Promise<boolean> {
    return retryOnConflict(async () => {
      const link = mayPull && (await this.#links.refresh(name, digest))
      if (link) return this.#isUsable(link)
      if (!(await this.#isHeld(digest, from))) return false
      const plan = await this.#links.linkWrites(name, digest)
      if (!plan?.stored || !(await this.#isUsable(plan.stored))) return false
      await this.#deps.table.transact(...plan.writes)
      return true
    })
  }

  /**
   * Removes the blob from the repository.
   * @throws {RegistryError} BLOB_UNKNOWN; UNSUPPORTED, naming a manifest, while a manifest needs the blob
   */
  async delete(name: RepositoryName, digest: Digest): Promise<void> {
    const { table } = this.#deps
    await retryOnConflict(async () => {
      const link = await this.#get(name, digest, () => this.#links.find(name, digest))
      const { partition, prefix } = ranges.refs(name, digest)
      const [ref] = await table.query(partition, { prefix, limit: 1 })
      if (ref) {
        const [manifest] = ref.sort.slice(prefix.length).split('#')
        throw new RegistryError('UNSUPPORTED', {
          message: `manifest ${manifest} needs the blob: delete the manifest first`,
          detail: { digest, neededBy: manifest },
          headers: { allow: 'GET, HEAD' },
        })
      }
      await table.transact(...this.#links.unlinkWrites(name, digest, link))
    })
  }

  /** A missing blob may be an unadopted direct upload, or another request may adopt it between the two lookups. */
  async #get(
    name: RepositoryName,
    digest: Digest,
    lookUp: () => Promise<LinkRow | undefined>,
  ): Promise<LinkRow> {
    const link = await lookUp()
    if (link) return link
    if (!(await this.#directUploads.search(name, [digest]))) unknown(digest)
    return (await lookUp()) ?? unknown(digest)
  }

  /** Whether the blob needs no upload. False for a damaged blob that an upload of the same bytes would restore. */
  async #isUsable(blob: Blob): Promise<boolean> {
    return !this.#deps.store.restore || (await this.#isStored(blob))
  }

  async #isStored({ object, size }: Blob): Promise<boolean> {
    const stored = await this.#deps.store.stat(object)
    return stored !== undefined && stored.size >= size
  }

  async #isHeld(digest: Digest, from?: RepositoryName): Promise<boolean> {
    if (from) return (await this.#links.find(from, digest)) !== undefined
    const blob = await this.#deps.table.get<BlobRow>(keys.blob(digest))
    return blob !== undefined && blob.links > 0
  }
}

function unknown(digest: Digest): never {
  throw new RegistryError('BLOB_UNKNOWN', {
    message: `blob ${digest} is not in this repository`,
    detail: { digest },
  })
}
