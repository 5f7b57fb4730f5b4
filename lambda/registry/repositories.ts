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

  /** One page of the catalog, in ASCII order, and whether there is more behind it. */
  async list({ limit, last }: Page): Promise<{ names: string[]; more: boolean }> {
    const rows = await this.#table.query(REPOSITORIES, { ...(last && { after: last }), limit: limit + 1 })
    const names = rows.slice(0, limit).map(row => row.sort)
    return { names, more: limit > 0 && rows.length > limit }
  }
}

/** The writes, if any, by which a push makes its repository known. `row` is what was read of it. */
export function noteRepository(name: RepositoryName, row: RepositoryRow | undefined, now: number): Write[] {
  if (!row) return [{ put: { ...keys.repository(name), created: now, updated: now }, if: 'absent' }]
  if (row.updated > now - UPDATE_EVERY) return []
  return [{ update: keys.repository(name), change: { set: { updated: now } }, if: 'present' }]
}
