import type { Dependencies } from '../registry/dependencies.ts'
import { garbageWrite, releasePush } from '../registry/garbage.ts'
import type { Registry } from '../registry/registry.ts'
import { settleRepository } from '../registry/repository-row.ts'
import { GARBAGE_SHARDS, keys, ranges } from '../store/keys.ts'
import type { BlobRow, Garbage, GarbageRow, UploadRow } from '../store/records.ts'
import { ConditionFailed, type Write } from '../store/table.ts'

/** What one run of the collector came to. */
interface Collected {
  /** Garbage rows that were dealt with. */
  readonly done: number
  /** Why others were not. They stay on the list. */
  readonly failures: readonly unknown[]
}

/** How many garbage rows are read at once. */
const PAGE = 100

/**
 * Frees what nothing needs any more, while pushes go on. It takes garbage rows that are due and nothing else, so its
 * cost follows the garbage. Each row only says what to look at; whether it may go is decided by the conditions of the
 * write that takes it, so a push that comes in between wins. Any number may run at once, and any step may be repeated.
 */
export class Collector {
  readonly #deps: Dependencies
  readonly #registry: Registry
  constructor(deps: Dependencies, registry: Registry) {
    this.#deps = deps
    this.#registry = registry
  }

  /**
   * Deals with everything that is due now. A row that fails does not hold up the others.
   * @param goOn asked before each row; the rest is left for another time
   */
  async run(goOn: () => boolean = () => true): Promise<Collected> {
    const failures: unknown[] = []
    let done = 0
    for (const shard of GARBAGE_SHARDS)
      for await (const row of this.#due(shard)) {
        if (!goOn()) return { done, failures }
        try {
          await this.#collect(row)
          done++
        } catch (error) {
          failures.push(error)
        }
      }
    return { done, failures }
  }

  async *#due(shard: string): AsyncGenerator<GarbageRow> {
    const now = this.#deps.clock()
    let after = ''
    for (;;) {
      const rows = await this.#deps.table.query<GarbageRow>(shard, { ...(after && { after }), limit: PAGE })
      for (const row of rows) {
        if (row.due > now) return
        yield row
        after = row.sort
      }
      if (rows.length < PAGE) return
    }
  }

  async #collect(row: GarbageRow): Promise<void> {
    try {
      switch (row.what) {
        case 'link':
          return await this.#link(row, row)
        case 'blob':
          return await this.#blob(row, row)
        case 'upload':
          return await this.#upload(row, row)
        case 'push':
          return await this.#push(row)
        case 'repository':
          return await this.#finish(row, ...(await settleRepository(this.#deps, row.repository)))
        case 'object':
          await this.#deps.store.delete(row.object)
          return await this.#finish(row)
        case 'draft':
          await this.#deps.store.discard(row.draft)
          return await this.#finish(row)
      }
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error // someone was faster: the row is looked at again next time
    }
  }

  /** A link that no manifest needs and nobody has relied on for a grace goes; one still in its grace waits it out. */
  async #link(row: GarbageRow, { repository, digest }: Garbage & { what: 'link' }): Promise<void> {
    const { table, clock, gracePeriod } = this.#deps
    const { links } = this.#registry
    const link = await links.find(repository, digest)
    if (!link) return this.#finish(row)
    const { partition, prefix } = ranges.refs(repository, digest)
    const refs = await table.query(partition, { prefix, limit: 1 })
    if (refs.length > 0) return this.#finish(row) // whoever takes the last ref away puts the link on the list again
    if (link.touched > clock() - gracePeriod) return this.#postpone(row, link.touched + gracePeriod)
    await this.#finish(row, ...links.unlinkWrites(repository, digest, link))
  }

  /**
   * A blob that no repository holds goes. Its object stays for a grace: for clients that were sent to it, and so that a
   * copy of the table is good for that long, since every object that it names is still there.
   */
  async #blob(row: GarbageRow, { digest }: Garbage & { what: 'blob' }): Promise<void> {
    const { table, clock, gracePeriod } = this.#deps
    const blob = await table.get<BlobRow>(keys.blob(digest))
    if (!blob || blob.links > 0) return this.#finish(row) // the last link to go puts the blob on the list again
    const { object } = blob
    const taken: Write = { delete: keys.blob(digest), if: { links: 0, object } }
    await this.#finish(
      row,
      taken,
      garbageWrite(this.#deps, clock() + gracePeriod, { what: 'object', object }),
    )
  }

  /**
   * A session that is over leaves nothing. What its client wrote into the store itself was acknowledged there, so it is
   * claimed even now; and once the session is gone, looked for again a grace later, in case it was still on its way.
   */
  async #upload(row: GarbageRow, { repository, upload }: Garbage & { what: 'upload' }): Promise<void> {
    const { table, clock, uploadLifetime, gracePeriod } = this.#deps
    const { uploads, directUploads } = this.#registry
    const session = await table.get<UploadRow>(keys.upload(repository, upload))
    if (session && session.expires > clock()) return this.#postpone(row, session.expires)
    if (session && uploads.isActive(upload)) return this.#postpone(row, clock() + uploadLifetime)
    if (await directUploads.adopt(repository, upload)) return this.#finish(row)
    if (!session) return this.#finish(row)
    const again = garbageWrite(this.#deps, clock() + gracePeriod, { what: 'upload', repository, upload })
    const drop = uploads.dropWrites(repository, upload, session)
    await this.#finish(row, ...drop, ...(session.direct ? [again] : []))
  }

  /** Once the announcement is marked as taken, a push that is still at work can no longer finish. */
  async #push(row: GarbageRow & { what: 'push' }): Promise<void> {
    const { partition, sort } = row
    const take: Write = {
      update: { partition, sort },
      change: { set: { taken: true } },
      if: { taken: false },
    }
    if (!row.taken) await this.#deps.table.transact(take)
    await releasePush(this.#deps, row)
  }

  #finish({ partition, sort }: GarbageRow, ...writes: Write[]): Promise<void> {
    return this.#deps.table.transact(...writes, { delete: { partition, sort }, if: 'present' })
  }

  #postpone(row: GarbageRow, due: number): Promise<void> {
    const { partition, sort, due: _, ...garbage } = row
    return this.#finish(row, garbageWrite(this.#deps, due, garbage as Garbage))
  }
}
