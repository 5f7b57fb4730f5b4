import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { errorReason, StartError } from './start-error.ts'

/** Held while this process uses the data folder. */
interface Lock {
  release(): void
}

/** A command such as `user add` has the database open for less time. */
const COMMAND_TIMEOUT_MS = 5000

/**
 * Locks a data folder for this process. Node has no file locks, but SQLite has: the lock is an exclusive transaction on
 * an empty database. The operating system releases it when the process ends in any way, so a lock is never stale.
 *
 * The lock file of a running server can be deleted or replaced. Therefore, unless the file has the mark of an earlier
 * start, the database must not be open in another process either: a server keeps it open until it ends.
 * @param timeout how long the first start on a folder waits for commands such as `user add` that have the database
 *   open, in milliseconds
 * @throws {StartError} when another process has locked the folder, or the lock file cannot be written
 */
export function lockFolder(folder: string, timeout = COMMAND_TIMEOUT_MS): Lock {
  const file = join(folder, 'lock')
  const unlockTable = isMarked(file) ? undefined : lockTable(folder, timeout)
  try {
    const lock = lockDatabase(file, { pragma: 'PRAGMA journal_mode = MEMORY' })
    mark(file, lock)
    return { release: () => lock.close() }
  } catch (error) {
    if (isLocked(error))
      throw new StartError('failure', `another server is running on the data folder ${folder}`)
    throw new StartError('failure', `cannot lock the data folder ${folder}: ${errorReason(error)}`)
  } finally {
    unlockTable?.()
  }
}

/**
 * Locks the database while the lock file is created.
 * @returns a function that unlocks it; `undefined` when there is no database
 */
function lockTable(folder: string, timeout: number): (() => void) | undefined {
  const file = join(folder, 'registry.sqlite')
  if (!existsSync(file)) return undefined
  try {
    const database = lockDatabase(file, { timeout })
    return () => database.close()
  } catch (error) {
    // Any other error is reported when the database is opened.
    if (!isLocked(error)) return undefined
    throw new StartError(
      'failure',
      `another process has ${file} open, and the lock file is missing or was replaced: stop the other server, or close the shell that reads the database`,
    )
  }
}

/**
 * Locks a database for this process, without writing to it.
 * @param options.pragma a statement to run first: the lock file must have no journal, which would need room on the disk
 * @param options.timeout how long to wait for other processes, in milliseconds
 * @returns the database; closing it releases the lock
 */
function lockDatabase(file: string, { pragma = '', timeout = 0 } = {}): DatabaseSync {
  const database = new DatabaseSync(file, { timeout })
  try {
    database.exec(`PRAGMA locking_mode = EXCLUSIVE; ${pragma}; BEGIN EXCLUSIVE`)
  } catch (error) {
    database.close()
    throw error
  }
  return database
}

/**
 * The mark that belongs to a lock file: its inode number. A new file has no mark yet, and a copy has the mark of its
 * original.
 */
function markOf(file: string): number {
  return statSync(file).ino & 0x7fff_ffff || 1
}

/** Whether the lock file has its own mark, from an earlier start. A locked file cannot be read and counts as marked. */
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

/** Marks the lock file. On a full disk it stays without a mark, and the next start checks the database again. */
function mark(file: string, lock: DatabaseSync): void {
  const version = markOf(file)
  if (versionOf(lock) === version) return
  try {
    lock.exec(`PRAGMA user_version = ${version}; COMMIT`)
  } catch {
    if (lock.isTransaction) lock.exec('ROLLBACK')
  }
  // In the exclusive locking mode, the end of a transaction does not release the lock.
  lock.exec('BEGIN EXCLUSIVE')
}

function versionOf(database: DatabaseSync): number {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  return version
}

function isLocked(error: unknown): boolean {
  return errorReason(error).includes('locked')
}
