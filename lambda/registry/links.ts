import type { Digest } from '../protocol/digest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import { type ObjectName, StorageFull } from '../store/blobs.ts'
import { keys } from '../store/keys.ts'
import type { BlobRow, LinkRow } from '../store/records.ts'
import type { Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { garbageWrite } from './garbage.ts'
import { retryOnConflict } from './retry.ts'

/** The bytes of an upload, ready to become a blob. */
interface UploadedBytes {
  readonly object: ObjectName
  readonly size: number
}

/** How to link a blob to a repository. */
interface LinkPlan {
  readonly writes: readonly Write[]
  /** Whether the uploaded object becomes the blob. Otherwise it is not needed. */
  readonly usesUpload: boolean
  /** The blob, if it is stored already. */
  readonly stored?: UploadedBytes
}

/**
 * Which repositories hold which blobs. A repository holds a blob only if the link row exists. The blob row
 * counts its links in the same transaction that creates or deletes one (invariants I2 and I5).
 */
export class Links {
  readonly #deps: Dependencies
  constructor(deps: Dependencies) {
    this.#deps = deps
  }

  find(name: RepositoryName, digest: Digest): Promise<LinkRow | undefined> {
    return this.#deps.table.get<LinkRow>(keys.link(name, digest))
  }

  /**
   * Finds the link and keeps it for at least three quarters of a grace period from now: a client that learns that a
   * blob exists must find it when it pushes the manifest. The row is rewritten only if its last touch is more than a
   * quarter of the grace period ago. On a full disk it is not rewritten: a HEAD must not fail there, and the manifest
   * could not be pushed either.
   */
  async refresh(name: RepositoryName, digest: Digest): Promise<LinkRow | undefined> {
    const { clock, gracePeriod, table } = this.#deps
    return retryOnConflict(async () => {
      const link = await this.find(name, digest)
      if (link && link.touched < clock() - gracePeriod / 4)
        await table.transact(this.touchWrite(name, digest)).catch(ignoreStorageFull)
      return link
    })
  }

  /** Records that a client relies on the link. The write fails if there is none. */
  touchWrite(name: RepositoryName, digest: Digest): Write {
    const change = { set: { touched: this.#deps.clock() }, add: { touches: 1 } }
    return { update: keys.link(name, digest), change, if: 'present' }
  }

  /**
   * The writes that link a blob to a repository: a blob that some repository holds already, or the uploaded object.
   * They fail if the rows have changed since they were read here.
   * @returns undefined when no repository holds the blob and there is no upload
   */
  linkWrites(name: RepositoryName, digest: Digest, upload: UploadedBytes): Promise<LinkPlan>
  linkWrites(name: RepositoryName, digest: Digest): Promise<LinkPlan | undefined>
  async linkWrites(
    name: RepositoryName,
    digest: Digest,
    upload?: UploadedBytes,
  ): Promise<LinkPlan | undefined> {
    const { table, clock, gracePeriod } = this.#deps
    const now = clock()
    const [link, blob] = (await table.getMany([keys.link(name, digest), keys.blob(digest)])) as [
      LinkRow?,
      BlobRow?,
    ]
    if (link) return { writes: [this.touchWrite(name, digest)], usesUpload: false, stored: link }

    const source = blob ?? upload
    if (!source) return undefined
    const { object, size } = source
    const newLink: LinkRow = { ...keys.link(name, digest), object, size, touched: now, touches: 0 }
    const count: Write = blob
      ? { update: keys.blob(digest), change: { add: { links: 1 } }, if: { object } }
      : { put: { ...keys.blob(digest), object, size, links: 1 }, if: 'absent' }
    const review = garbageWrite(this.#deps, now + gracePeriod, { what: 'link', repository: name, digest })
    const writes: Write[] = [count, { put: newLink, if: 'absent' }, review]
    return { writes, usesUpload: !blob, ...(blob && { stored: blob }) }
  }

  /** The writes that remove a blob from a repository, if the link has not been touched since it was read. */
  unlinkWrites(name: RepositoryName, digest: Digest, { touched, touches }: LinkRow): Write[] {
    return [
      { delete: keys.link(name, digest), if: { touched, touches } },
      { update: keys.blob(digest), change: { add: { links: -1 } }, if: 'present' },
      garbageWrite(this.#deps, this.#deps.clock(), { what: 'blob', digest }),
    ]
  }
}

function ignoreStorageFull(error: unknown): void {
  if (!(error instanceof StorageFull)) throw error
}
