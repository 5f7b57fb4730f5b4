import { StorageFull } from '../blobs.ts'
import { TableBusy } from '../table.ts'

/** The extended result code of an SQLite error, https://sqlite.org/rescode.html; `undefined` for other errors. */
export function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) : undefined
}

/** Runs a read and maps its errors: see {@link mapSqliteError}. */
export function mapSqliteErrors<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw mapSqliteError(error)
  }
}

/** A generic error. One of its causes is a rollback without a transaction. */
export const SQLITE_ERROR = 1
const SQLITE_BUSY = 5
const SQLITE_FULL = 13
/**
 * SQLite could not open a file. For an open table this is a file such as the log, and the process has no file
 * descriptors left.
 */
const SQLITE_CANTOPEN = 14
/** The shared-memory index of the log could not grow, because the disk is full. */
const SQLITE_IOERR_SHMSIZE = 4874

/**
 * Maps an SQLite error to an error of the port if there is one.
 * @param isOpen whether the table was open when the error occurred
 */
export function mapSqliteError(error: unknown, { isOpen = true } = {}): unknown {
  const code = sqliteCode(error)
  if (code === undefined) return error
  if (code === SQLITE_FULL || code === SQLITE_IOERR_SHMSIZE)
    return new StorageFull('the disk is full: no room for the table', { cause: error })
  if ((code & 0xff) === SQLITE_BUSY)
    return new TableBusy('another process has locked the table', { cause: error })
  if (isOpen && (code & 0xff) === SQLITE_CANTOPEN)
    return new TableBusy('SQLite cannot open a file of the table: no file descriptors are left', {
      cause: error,
    })
  return error
}
