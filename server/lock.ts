import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { errorReason, StartError } from './start-error.ts'

/** Held as long as this process uses the data folder. */
interface Lock {
  release(): void
}

/**
 * Takes a data folder for this process alone. Node has no file locks of its own, SQLite does: an exclusive transaction
 * on an empty database. The system takes the lock back when the process dies, however it dies, so none is ever stale.
 *
 * Somebody may have removed the lock file of a running server. So where there is none, the table must not be open in any other process
 * either: a server has it open all its life.
 * @throws {StartError} when another process has the folder, or it cannot be written
 */
export function lockFolder(folder: string): Lock {
  const file = join(folder, 'lock')
  const table = existsSync(file) ? undefined : holdTable(folder)
  try {
    return { release: holdAlone(file, 'PRAGMA journal_mode = MEMORY') }
  } catch (error) {
    if (isLocked(error))
      throw new StartError('failure', `another server is running on the data folder ${folder}`)
    throw new StartError('failure', `cannot lock the data folder ${folder}: ${errorReason(error)}`)
  } finally {
    table?.()
  }
}

/** Keeps every other process from the table while the lock file is made. @returns how to let go of it again */
function holdTable(folder: string): (() => void) | undefined {
  const file = join(folder, 'registry.sqlite')
  if (!existsSync(file)) return undefined
  try {
    return holdAlone(file)
  } catch (error) {
    // What else is wrong with the table is said when it is opened.
    if (!isLocked(error)) return undefined
    throw new StartError(
      'failure',
      `another process has ${file} open, and the lock file is missing: stop the other server, or close the shell that reads the database`,
    )
  }
}

/**
 * Locks a database for this process alone. It writes nothing.
 * @param setting run before. The lock file has no journal, which would need room on the disk
 * @returns how to let go of it again
 */
function holdAlone(file: string, setting = ''): () => void {
  const database = new DatabaseSync(file)
  try {
    database.exec(`PRAGMA locking_mode = EXCLUSIVE; ${setting}; BEGIN EXCLUSIVE`)
  } catch (error) {
    database.close()
    throw error
  }
  return () => database.close()
}

function isLocked(error: unknown): boolean {
  return errorReason(error).includes('locked')
}
