import { ConditionFailed, type Item, type Key, MAX_KEYS, type Table, TableBusy } from '../store/table.ts'
import { chunked } from '../util/chunked.ts'

const MAX_ATTEMPTS = 20

/**
 * Repeats a read and its conditional write until the condition holds.
 * @throws {TableBusy} after 20 attempts
 */
export async function retryOnConflict<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = MAX_ATTEMPTS; left > 0; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
    }
  }
  throw new TableBusy('too many concurrent writes')
}

/** {@link Table.getMany} for any number of keys. */
export async function getAll<T extends Item>(table: Table, keys: readonly Key[]): Promise<(T | undefined)[]> {
  const rows: (T | undefined)[] = []
  for (const some of chunked(keys, MAX_KEYS)) rows.push(...(await table.getMany<T>(some)))
  return rows
}
