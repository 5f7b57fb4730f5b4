import type { Dependencies } from '../registry/dependencies.ts'
import { garbageWrite, releasePush } from '../registry/garbage.ts'
import type { Registry } from '../registry/registry.ts'
import { settleRepository } from '../registry/repository-row.ts'
import { GARBAGE_SHARDS, keys, ranges } from '../store/keys.ts'
import type { BlobRow, Garbage, GarbageRow, UploadRow } from '../store/records.ts'
import { ConditionFailed, type Write } from '../store/table.ts'

/** The result of one run of the collector. */
interface RunResult {
  /** How many garbage rows were handled. */
  readonly done: number
  /** Errors of the rows that failed. The next run handles those rows again. */
  readonly failures: readonly unknown[]
}

/** How many garbage rows one query reads. */
const PAGE_SIZE = 100

/**
 * Frees unreferenced content while pushes are in progress. It reads only garbage rows that are due, so its cost is
 * proportional to the garbage. A row only names a candidate. The conditions of the write that deletes the candidate
 * decide, so a concurrent push wins. Any number of collectors may run at once, and any step may be repeated.
 */
export class Collector {
  readonly #deps: Dependencies
  readonly #registry: Registry
  constructor(deps: Dependencies, registry: Registry) {
    this.#deps = deps
    this.#registry = registry
  }

  /**
   * Handles every row that is due now. If a row fails, the others are handled all the same.
   * @param shouldContinue called before each row; false leaves the rest for the next run
   */
  async run(shouldContinue: () => boolean = () => true): Promise<RunResult> {
    const failures: unknown[] = []
    let done = 0
    for (const shard of GARBAGE_SHARDS)
      for await (const row of this.#due(shard)) {
        if (!shouldContinue()) return { done, failures }
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
      const rows = await this.#deps.table.query<GarbageRow>(shard, {
        ...(after && { after }),
        limit: PAGE_SIZE,
      })
      for (const row of rows) {
        if (row.due > now) return
        yield row
        after = row.sort
      }
      if (rows.length < PAGE_SIZE) return
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
      if (!(error instanceof ConditionFailed)) throw error // a concurrent write was faster: the next run handles the row again
    }
  }

  /**
   * Deletes a link without refs that was not touched for a grace period. A link that was touched later is postponed.
   */
  async #link(row: GarbageRow, { repository, digest }: Garbage & { what: 'link' }): Promise<void> {
    const { table, clock, gracePeriod } = this.#deps
    const { links } = this.#registry
    const link = await links.find(repository, digest)
    if (!link) return this.#finish(row)
    const { partition, prefix } = ranges.refs(repository, digest)
    const refs = await table.query(partition, { prefix, limit: 1 })
    if (refs.length > 0) return this.#finish(row) // the delete of the last ref writes a new garbage row
    if (link.touched > clock() - gracePeriod) return this.#postpone(row, link.touched + gracePeriod)
    await this.#finish(row, ...links.unlinkWrites(repository, digest, link))
  }

  /**
   * Deletes a blob that no repository holds. Its object stays for a grace period: clients may have been redirected to
   * it, and a backup of the table stays usable for that long, because every object that it names still exists.
   */
  async #blob(row: GarbageRow, { digest }: Garbage & { what: 'blob' }): Promise<void> {
    const { table, clock, gracePeriod } = this.#deps
    const blob = await table.get<BlobRow>(keys.blob(digest))
    if (!blob || blob.links > 0) return this.#finish(row) // the delete of the last link writes a new garbage row
    const { object } = blob
    const taken: Write = { delete: keys.blob(digest), if: { links: 0, object } }
    await this.#finish(
      row,
      taken,
      garbageWrite(this.#deps, clock() + gracePeriod, { what: 'object', object }),
    )
  }

  /**
   * Ends an expired session. A direct upload was acknowledged by the store, so it is adopted even now. The collector
   * looks for a direct upload again a grace period after the session has ended, because its body may still be arriving.
   */
  async #upload(row: GarbageRow, { repository, upload }: Garbage & { what: 'upload' }): Promise<void> {
    const { table, clock, uploadLifetime, gracePeriod } = this.#deps
    const { uploads, directUploads } = this.#registry
    const address = { name: repository, upload }
    const session = await table.get<UploadRow>(keys.upload(repository, upload))
    if (session && session.expires > clock()) return this.#postpone(row, session.expires)
    if (session && uploads.isActive(upload)) return this.#postpone(row, clock() + uploadLifetime)
    if (await directUploads.adopt(address)) return this.#finish(row)
    if (!session) return this.#finish(row)
    const again = garbageWrite(this.#deps, clock() + gracePeriod, { what: 'upload', repository, upload })
    const drop = uploads.dropWrites(address, session)
    await this.#finish(row, ...drop, ...(session.direct ? [again] : []))
  }

  /** Marks the announcement of a push as taken first, so that a push in progress can no longer commit. */
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
