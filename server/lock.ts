import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { reason, StartError } from './start-error.ts'

/** Held as long as this process uses the data folder. */
interface Lock {
  release(): void
}

/**
 * Takes a data folder for this process alone. Node has no file locks of its own, SQLite does: an exclusive transaction
 * on an empty database. The system takes the lock back when the process dies, however it dies, so none is ever stale.
 * @throws {StartError} when another process has the folder, or it cannot be written
 */
export function lockFolder(folder: string): Lock {
  try {
    const database = new DatabaseSync(join(folder, 'lock'))
    try {
      database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    } catch (error) {
      database.close()
      throw error
    }
    return { release: () => database.close() }
  } catch (error) {
    if (reason(error).includes('locked'))
      throw new StartError('failure', `another server is running on the data folder ${folder}`)
    throw new StartError('failure', `cannot lock the data folder ${folder}: ${reason(error)}`)
  }
}
