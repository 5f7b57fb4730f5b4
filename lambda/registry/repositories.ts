import type { Digest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Page } from '../protocol/pagination.ts'
import { keys, REPOSITORIES, stretches } from '../store/keys.ts'
import type { RepositoryRow } from '../store/records.ts'
import type { Table } from '../store/table.ts'
import type { Manifests } from './manifests.ts'
import { expectRepository, isThere, REMOVED } from './repository-row.ts'
import type { TagGuard } from './tags.ts'

/** How many manifests one call removes: no function may run for longer than half a minute. */
const AT_ONCE = 50
/** How many rows are read at once where not all of the first ones are shown to whoever asks, however short the page. */
const ROWS_AT_ONCE = 1000

/** The repositories there are. A repository begins with its first manifest. */
export class Repositories {
  readonly #table: Table
  readonly #manifests: Manifests
  constructor(table: Table, manifests: Manifests) {
    this.#table = table
    this.#manifests = manifests
  }

  /**
   * Removes manifests and tags, some at a time. The blobs are the collector's.
   * @returns how many manifests went, and whether to ask again because there are more
   * @throws {RegistryError} NAME_UNKNOWN; whatever the guard says of a tag, with what came before it removed
   */
  async remove(name: RepositoryName, guard: TagGuard): Promise<{ removed: number; more: boolean }> {
    await expectRepository(this.#table, name)
    const { partition, prefix } = stretches.manifests(name)
    const rows = await this.#table.query(partition, { prefix, limit: AT_ONCE + 1 })
    const more = rows.length > AT_ONCE
    for (const { sort } of rows.slice(0, AT_ONCE))
      await this.#manifests.delete(name, sort.slice(prefix.length) as Digest, guard).catch(unlessGone)
    if (!more)
      await this.#table.transact({
        update: keys.repository(name),
        change: { set: { updated: REMOVED } },
        if: 'present',
      })
    return { removed: rows.length - Number(more), more }
  }

  /**
   * One page of the catalog, in ASCII order, and whether there is more behind it.
   * @param isShown which of them the page is of
   */
  async list(
    { limit, last }: Page,
    isShown: (name: RepositoryName) => boolean = () => true,
  ): Promise<{ names: string[]; more: boolean }> {
    const names: string[] = []
    let wanted = limit + 1
    for (let after = last, more = true; more && names.length <= limit; ) {
      const page = { ...(after && { after }), limit: wanted }
      const rows = await this.#table.query<RepositoryRow>(REPOSITORIES, page)
      for (const row of rows) {
        if (names.length > limit) break
        if (isShown(row.sort as RepositoryName) && (await isThere(this.#table, row))) names.push(row.sort)
      }
      more = rows.length === wanted
      after = rows.at(-1)?.sort
      wanted = ROWS_AT_ONCE
    }
    return { names: names.slice(0, limit), more: limit > 0 && names.length > limit }
  }
}

/** Somebody else removed it between two looks. */
function unlessGone(error: unknown): void {
  if (!(error instanceof RegistryError) || error.code !== 'MANIFEST_UNKNOWN') throw error
}
