import type { RepositoryName } from '../protocol/name.ts'
import type { Page } from '../protocol/pagination.ts'
import { keys, REPOSITORIES } from '../store/keys.ts'
import type { RepositoryRow } from '../store/records.ts'
import type { Table, Write } from '../store/table.ts'

const UPDATE_EVERY = 60 * 60 * 1000

/** The repositories there are. A repository begins with its first manifest. */
export class Repositories {
  readonly #table: Table
  constructor(table: Table) {
    this.#table = table
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
    for (let after = last, more = true; more && names.length <= limit; ) {
      const rows = await this.#table.query(REPOSITORIES, { ...(after && { after }), limit: limit + 1 })
      names.push(...rows.map(row => row.sort).filter(name => isShown(name as RepositoryName)))
      more = rows.length > limit
      after = rows.at(-1)?.sort
    }
    return { names: names.slice(0, limit), more: limit > 0 && names.length > limit }
  }
}

/** The writes, if any, by which a push makes its repository known. `row` is what was read of it. */
export function noteRepository(name: RepositoryName, row: RepositoryRow | undefined, now: number): Write[] {
  if (!row) return [{ put: { ...keys.repository(name), created: now, updated: now }, if: 'absent' }]
  if (row.updated > now - UPDATE_EVERY) return []
  return [{ update: keys.repository(name), change: { set: { updated: now } }, if: 'present' }]
}
