import type { Digest } from '../protocol/digest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import { type ObjectName, StorageFull } from '../store/blobs.ts'
import { keys } from '../store/keys.ts'
import type { BlobRow, LinkRow } from '../store/records.ts'
import type { Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { garbageWrite } from './garbage.ts'
import { retryOnConflict } from './retry.ts'

/** The bytes that an upload brought, ready to become a blob. */
interface UploadedBytes {
  readonly object: ObjectName
  readonly size: number
}

/** How to give a repository a blob, and whether the offered object becomes it. */
interface LinkPlan {
  readonly writes: readonly Write[]
  readonly usesOffer: boolean
  /** The blob that is stored already, if any. */
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
   * The link, kept for at least three quarters of a grace period from now: a client that learns that a blob is here must find it
   * when it pushes the manifest. The row is rewritten only when it is older than a quarter of the grace period. On a full disk it is not rewritten:
   * a HEAD must not fail there, and a manifest that would rely on its answer could not be pushed either.
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
   * The writes after which the repository holds the blob: from what it holds already, from what another holds, or
   * from the object that is offered. They fail if what this plan read has changed.
   * @returns undefined when no repository holds the blob and no object is offered
   */
  linkWrites(name: RepositoryName, digest: Digest, offer: UploadedBytes): Promise<LinkPlan>
  linkWrites(name: RepositoryName, digest: Digest): Promise<LinkPlan | undefined>
  async linkWrites(
    name: RepositoryName,
    digest: Digest,
    offer?: UploadedBytes,
  ): Promise<LinkPlan | undefined> {
    const { table, clock, gracePeriod } = this.#deps
    const now = clock()
    const [link, blob] = (await table.getMany([keys.link(name, digest), keys.blob(digest)])) as [
      LinkRow?,
      BlobRow?,
    ]
    if (link) return { writes: [this.touchWrite(name, digest)], usesOffer: false, stored: link }

    const source = blob ?? offer
    if (!source) return undefined
    const { object, size } = source
    const newLink: LinkRow = { ...keys.link(name, digest), object, size, touched: now, touches: 0 }
    const count: Write = blob
      ? { update: keys.blob(digest), change: { add: { links: 1 } }, if: { object } }
      : { put: { ...keys.blob(digest), object, size, links: 1 }, if: 'absent' }
    const review = garbageWrite(this.#deps, now + gracePeriod, { what: 'link', repository: name, digest })
    const writes: Write[] = [count, { put: newLink, if: 'absent' }, review]
    return { writes, usesOffer: !blob, ...(blob && { stored: blob }) }
  }

  /** The writes that take a blob from a repository, if the link has not been touched since it was read. */
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
