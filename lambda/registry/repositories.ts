import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Page } from '../protocol/pagination.ts'
import type { Tag } from '../protocol/reference.ts'
import { REPOSITORIES, ranges } from '../store/keys.ts'
import type { RepositoryRow } from '../store/records.ts'
import type { Table } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'
import { TooManyIndexes } from './indexes-above.ts'
import type { Manifests } from './manifests.ts'
import {
  expectRepository,
  isUncollectable,
  REMOVED_AT,
  removalWrites,
  repositoryExists,
} from './repository-row.ts'
import type { TagGuard } from './tags.ts'

/** How many manifests one call removes: no function may run for longer than half a minute. */
const AT_ONCE = 50
/** How many rows are read at once where not all of the first ones are shown to whoever asks, however short the page. */
const ROWS_AT_ONCE = 1000

/** How many rows of removed repositories one listing hands to the collector. */
const REPAIRS_AT_ONCE = 10

/** How many patterns a listing compares before other requests have their turn. It takes a few milliseconds. */
const COMPARISONS_PER_TURN = 20_000

/** Which repositories a listing is of. */
interface Filter {
  includes(name: RepositoryName): boolean
  /** What all their names begin with; undefined where there can be none. */
  readonly prefix: string | undefined
  /** How many patterns one call of `includes` compares at most. */
  readonly comparisons: number
}

/** The repositories there are. A repository begins with its first manifest. */
export class Repositories {
  readonly #deps: Dependencies
  readonly #table: Table
  readonly #manifests: Manifests
  constructor(deps: Dependencies, manifests: Manifests) {
    this.#deps = deps
    this.#table = deps.table
    this.#manifests = manifests
  }

  /**
   * Removes manifests and tags, some at a time. The blobs are the collector's.
   * @returns how many manifests went, and whether to ask again because there are more
   * @throws {RegistryError} NAME_UNKNOWN; what the guard throws for any tag of the repository, and nothing is changed then.
   * A tag that arrives while the removal is at work can still end it in the middle.
   */
  async remove(name: RepositoryName, guard: TagGuard): Promise<{ removed: number; more: boolean }> {
    await expectRepository(this.#table, name)
    await this.#expectRemovable(name, guard)
    const { partition, prefix } = ranges.manifests(name)
    const rows = await this.#table.query(partition, { prefix, limit: AT_ONCE + 1 })
    const more = rows.length > AT_ONCE
    const digests = rows.slice(0, AT_ONCE).map(({ sort }) => sort.slice(prefix.length) as Digest)
    const postponed: TooManyIndexes[] = [] // the next calls find their indexes gone
    for (const digest of digests)
      await this.#manifests.delete(name, digest, guard).catch(error => {
        if (error instanceof TooManyIndexes) postponed.push(error)
        else unlessGone(error)
      })
    const removed = digests.length - postponed.length
    if (removed === 0 && postponed[0]) throw postponed[0]
    if (more || postponed.length > 0) return { removed, more: true }
    await this.#table.transact(...removalWrites(this.#deps, name, 'present'))
    return { removed, more: false }
  }

  /** Asks about every tag before anything is removed. */
  async #expectRemovable(name: RepositoryName, guard: TagGuard): Promise<void> {
    const { partition, prefix } = ranges.tags(name)
    let after = prefix
    for (let more = true; more; ) {
      const rows = await this.#table.query(partition, { prefix, after, limit: ROWS_AT_ONCE })
      for (const { sort } of rows) guard.expectAllowed(sort.slice(prefix.length) as Tag, 'delete')
      more = rows.length === ROWS_AT_ONCE
      after = rows.at(-1)?.sort ?? after
    }
  }

  /**
   * One page of the catalog, in ASCII order, and whether there is more behind it. Only names with the filter's prefix are read, and after
   * a bounded number of comparisons other requests have their turn.
   */
  async list(
    { limit, last }: Page,
    { includes, prefix, comparisons }: Filter,
  ): Promise<{ names: string[]; more: boolean }> {
    const names: string[] = []
    const rowsPerTurn = Math.ceil(COMPARISONS_PER_TURN / Math.max(1, comparisons))
    let wanted = limit + 1
    let repairs = 0
    for (let after = last, more = prefix !== undefined; more && names.length <= limit; ) {
      const page = { ...(prefix && { prefix }), ...(after && { after }), limit: wanted }
      const rows = await this.#table.query<RepositoryRow>(REPOSITORIES, page)
      for (const [i, row] of rows.entries()) {
        if (names.length > limit) break
        if (i % rowsPerTurn === rowsPerTurn - 1) await new Promise(resolve => setImmediate(resolve))
        if (!includes(row.sort as RepositoryName)) continue
        if (await repositoryExists(this.#table, row)) names.push(row.sort)
        else if (isUncollectable(row) && repairs++ < REPAIRS_AT_ONCE) await this.#makeCollectable(row)
      }
      more = rows.length === wanted
      after = rows.at(-1)?.sort
      wanted = ROWS_AT_ONCE
    }
    return { names: names.slice(0, limit), more: limit > 0 && names.length > limit }
  }

  /** Older versions left rows of removed repositories without a garbage row, and every listing would read them for ever. */
  async #makeCollectable({ sort }: RepositoryRow): Promise<void> {
    const writes = removalWrites(this.#deps, sort as RepositoryName, { updated: REMOVED_AT })
    await this.#table.transact(...writes).catch(() => {}) // The listing does not depend on it. The next one tries again.
  }
}

/** Somebody else removed it between two looks. */
function unlessGone(error: unknown): void {
  if (!(error instanceof RegistryError) || error.code !== 'MANIFEST_UNKNOWN') throw error
}
