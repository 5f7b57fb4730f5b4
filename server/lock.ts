import { existsSync, statSync } from 'node:fs'
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
 * Somebody may have removed the lock file of a running server, or replaced it. So unless the file carries the mark of an earlier start,
 * the table must not be open in any other process either: a server has it open all its life.
 * @throws {StartError} when another process has the folder, or it cannot be written
 */
export function lockFolder(folder: string): Lock {
  const file = join(folder, 'lock')
  const table = isMarked(file) ? undefined : holdTable(folder)
  try {
    const lock = holdAlone(file, 'PRAGMA journal_mode = MEMORY')
    mark(file, lock)
    return { release: () => lock.close() }
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
    const database = holdAlone(file)
    return () => database.close()
  } catch (error) {
    // What else is wrong with the table is said when it is opened.
    if (!isLocked(error)) return undefined
    throw new StartError(
      'failure',
      `another process has ${file} open, and the lock file is missing or was replaced: stop the other server, or close the shell that reads the database`,
    )
  }
}

/**
 * Locks a database for this process alone. It writes nothing.
 * @param setting run before. The lock file has no journal, which would need room on the disk
 * @returns the database, which gives up the lock when it is closed
 */
function holdAlone(file: string, setting = ''): DatabaseSync {
  const database = new DatabaseSync(file)
  try {
    database.exec(`PRAGMA locking_mode = EXCLUSIVE; ${setting}; BEGIN EXCLUSIVE`)
  } catch (error) {
    database.close()
    throw error
  }
  return database
}

/** Tells a lock file from another one in its place: a new file has no mark, and a copy has that of its original. */
function markOf(file: string): number {
  return statSync(file).ino & 0x7fff_ffff || 1
}

/** Whether the lock file was made by a server. One that is locked is, or nothing can be said of it until it is free. */
function isMarked(file: string): boolean {
  if (!existsSync(file)) return false
  const database = new DatabaseSync(file)
  try {
    return versionOf(database) === markOf(file)
  } catch (error) {
    return isLocked(error)
  } finally {
    database.close()
  }
}

/** A full disk leaves the file without a mark. The next start then looks at the table once more. */
function mark(file: string, lock: DatabaseSync): void {
  const wanted = markOf(file)
  if (versionOf(lock) === wanted) return
  try {
    lock.exec(`PRAGMA user_version = ${wanted}; COMMIT`)
  } catch {
    if (lock.isTransaction) lock.exec('ROLLBACK')
  }
  // In the exclusive locking mode the end of a transaction does not give up the lock.
  lock.exec('BEGIN EXCLUSIVE')
}

function versionOf(database: DatabaseSync): number {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  return version
}

function isLocked(error: unknown): boolean {
  return errorReason(error).includes('locked')
}
