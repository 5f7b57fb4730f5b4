import { ConditionFailed, type Item, type Key, MOST_KEYS, type Table, TableBusy } from '../store/table.ts'

const MOST_ATTEMPTS = 20

/**
 * Reads, decides and writes again until what was read still holds when it is written.
 * @throws {TableBusy} when others were always faster
 */
export async function untilItHolds<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = MOST_ATTEMPTS; left > 0; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
    }
  }
  throw new TableBusy('too many others write here')
}

/** `list` in pieces of `size`, the last one perhaps shorter. */
export function chunked<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))
}

/** {@link Table.getMany} for any number of keys. */
export async function getAll<T extends Item>(table: Table, keys: readonly Key[]): Promise<(T | undefined)[]> {
  const rows: (T | undefined)[] = []
  for (const some of chunked(keys, MOST_KEYS)) rows.push(...(await table.getMany<T>(some)))
  return rows
}
