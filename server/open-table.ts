import { StorageFull } from '../lambda/store/blobs.ts'
import { SqliteTable } from '../lambda/store/sqlite/table.ts'
import type { Reserve } from './reserve.ts'
import { errorReason, StartError } from './start-error.ts'

/**
 * Opens the database of a data folder. On a disk without a free byte it uses the room of the reserve, or, where there
 * is no reserve, opens the database for this process alone, which needs no room.
 * @throws {StartError} that names the file, when it is not a database or there is no room to create it
 */
export function openTable(path: string, reserve: Pick<Reserve, 'release'>): SqliteTable {
  try {
    return open(path, reserve)
  } catch (error) {
    throw new StartError('failure', `cannot open ${path}: ${errorReason(error)}`)
  }
}

function open(path: string, reserve: Pick<Reserve, 'release'>): SqliteTable {
  try {
    return new SqliteTable(path)
  } catch (error) {
    if (!(error instanceof StorageFull)) throw error
    return reserve.release() ? new SqliteTable(path) : new SqliteTable(path, { exclusive: true })
  }
}
