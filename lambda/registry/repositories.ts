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
  isUncollectable,
  REMOVED,
  removalWrites,
  repositoryExists,
  requireRepository,
} from './repository-row.ts'
import type { TagGuard } from './tags.ts'

/** How many manifests one call removes: a request may run for half a minute at most. */
const MAX_MANIFESTS_PER_CALL = 50
/** How many rows one query reads. The first query of a page reads only as many as the page needs. */
const ROWS_PER_QUERY = 1000
/** How many rows of removed repositories one listing repairs. */
const MAX_REPAIRS = 10
/** How many patterns a listing compares before it lets other requests run. It takes a few milliseconds. */
const COMPARISONS_PER_TURN = 20_000

/** The repositories that a listing may show. */
interface Filter {
  includes(name: RepositoryName): boolean
  /** Every visible name begins with one of these. Sorted; none begins with another. Empty if no name can be visible. */
  readonly prefixes: readonly string[]
  /** The largest number of patterns that one call of `includes` compares. */
  readonly comparisons: number
}

/** The repositories. A repository exists from its first manifest on. */
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
   * Removes some of the manifests of a repository and their tags. The collector frees the blobs.
   * @returns how many manifests were removed, and whether more remain, so that the caller must call again
   * @throws {RegistryError} NAME_UNKNOWN; the errors of the guard for any tag of the repository. Nothing is changed
   * then. A tag that is pushed during the removal can still stop it halfway.
   */
  async remove(name: RepositoryName, guard: TagGuard): Promise<{ removed: number; more: boolean }> {
    await requireRepository(this.#table, name)
    await this.#requireRemovable(name, guard)
    const { partition, prefix } = ranges.manifests(name)
    const rows = await this.#table.query(partition, { prefix, limit: MAX_MANIFESTS_PER_CALL + 1 })
    const more = rows.length > MAX_MANIFESTS_PER_CALL
    const digests = rows
      .slice(0, MAX_MANIFESTS_PER_CALL)
      .map(({ sort }) => sort.slice(prefix.length) as Digest)
    const postponed: TooManyIndexes[] = [] // a later call succeeds, once the indexes above them are removed
    for (const digest of digests)
      await this.#manifests.delete(name, digest, guard).catch(error => {
        if (error instanceof TooManyIndexes) postponed.push(error)
        else ignoreUnknownManifest(error)
      })
    const removed = digests.length - postponed.length
    if (removed === 0 && postponed[0]) throw postponed[0]
    if (more || postponed.length > 0) return { removed, more: true }
    await this.#table.transact(...removalWrites(this.#deps, name, 'present'))
    return { removed, more: false }
  }

  /** Checks every tag before anything is removed. */
  async #requireRemovable(name: RepositoryName, guard: TagGuard): Promise<void> {
    const { partition, prefix } = ranges.tags(name)
    let after = prefix
    for (let more = true; more; ) {
      const rows = await this.#table.query(partition, { prefix, after, limit: ROWS_PER_QUERY })
      for (const { sort } of rows) guard.requireAllowed(sort.slice(prefix.length) as Tag, 'delete')
      more = rows.length === ROWS_PER_QUERY
      after = rows.at(-1)?.sort ?? after
    }
  }

  /**
   * One page of the catalog, in ASCII order, and whether more names follow. Only names with one of the filter's
   * prefixes are read. Other requests run after a bounded number of comparisons.
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
      else if (isUncollectable(row) && repairs++ < MAX_REPAIRS) await this.#makeCollectable(row)
      if (names.length > limit) break
    }
    return { names: names.slice(0, limit), more: limit > 0 && names.length > limit }
  }

  /** @param first how many rows the first query of each prefix reads. Often they suffice */
  async *#rows(
    prefixes: readonly string[],
    last: string | undefined,
    first: number,
  ): AsyncGenerator<RepositoryRow> {
    for (const prefix of prefixes) {
      if (last && last > prefix && !last.startsWith(prefix)) continue // all of its names come before `last`
      let after = last
      let limit = first
      for (let more = true; more; limit = ROWS_PER_QUERY) {
        const page = { ...(prefix && { prefix }), ...(after && { after }), limit }
        const rows = await this.#table.query<RepositoryRow>(REPOSITORIES, page)
        yield* rows
        more = rows.length === limit
        after = rows.at(-1)?.sort
      }
    }
  }

  /** Older versions left rows of removed repositories without a garbage row. Every listing would read them forever. */
  async #makeCollectable({ sort }: RepositoryRow): Promise<void> {
    const writes = removalWrites(this.#deps, sort as RepositoryName, { updated: REMOVED })
    await this.#table.transact(...writes).catch(() => {}) // The listing succeeds without it, and the next one tries again.
  }
}

/** A concurrent request may have deleted the manifest. */
function ignoreUnknownManifest(error: unknown): void {
  if (!(error instanceof RegistryError) || error.code !== 'MANIFEST_UNKNOWN') throw error
}
