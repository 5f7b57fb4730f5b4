import { ConditionFailed, type Item, type Key, MAX_KEYS, type Table, TableBusy } from '../store/table.ts'
import { chunked } from '../util/chunked.ts'

const MOST_ATTEMPTS = 20

/**
 * Reads, decides and writes again until what was read still holds when it is written.
 * @throws {TableBusy} when others were always faster
 */
export async function retryOnConflict<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = MOST_ATTEMPTS; left > 0; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
    }
  }
  throw new TableBusy('too many others write here')
}

/** {@link Table.getMany} for any number of keys. */
export async function getAll<T extends Item>(table: Table, keys: readonly Key[]): Promise<(T | undefined)[]> {
  const rows: (T | undefined)[] = []
  for (const some of chunked(keys, MAX_KEYS)) rows.push(...(await table.getMany<T>(some)))
  return rows
}
