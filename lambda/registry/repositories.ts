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
  /** Each name begins with one of these. Sorted, and none begins with another. Empty where there can be no name. */
  readonly prefixes: readonly string[]
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
   * One page of the catalog, in ASCII order, and whether there is more behind it. Only names with one of the filter's prefixes are
   * read. Other requests have their turn after a bounded number of comparisons.
   */
  async list(
    { limit, last }: Page,
    { includes, prefixes, comparisons }: Filter,
  ): Promise<{ names: string[]; more: boolean }> {
    const names: string[] = []
    const rowsPerTurn = Math.ceil(COMPARISONS_PER_TURN / Math.max(1, comparisons))
    let seen = 0
    let repairs = 0
    for await (const row of this.#rows(prefixes, last, limit + 1)) {
      if (++seen % rowsPerTurn === 0) await new Promise(resolve => setImmediate(resolve))
      if (!includes(row.sort as RepositoryName)) continue
      if (await repositoryExists(this.#table, row)) names.push(row.sort)
      else if (isUncollectable(row) && repairs++ < REPAIRS_AT_ONCE) await this.#makeCollectable(row)
      if (names.length > limit) break
    }
    return { names: names.slice(0, limit), more: limit > 0 && names.length > limit }
  }

  /** @param first how many rows the first query of a prefix reads: often they are enough */
  async *#rows(
    prefixes: readonly string[],
    last: string | undefined,
    first: number,
  ): AsyncGenerator<RepositoryRow> {
    for (const prefix of prefixes) {
      if (last && last > prefix && !last.startsWith(prefix)) continue // all of its names come before `last`
      let after = last
      let limit = first
      for (let more = true; more; limit = ROWS_AT_ONCE) {
        const page = { ...(prefix && { prefix }), ...(after && { after }), limit }
        const rows = await this.#table.query<RepositoryRow>(REPOSITORIES, page)
        yield* rows
        more = rows.length === limit
        after = rows.at(-1)?.sort
      }
    }
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
