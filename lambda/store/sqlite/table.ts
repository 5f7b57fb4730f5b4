import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { StorageFull } from '../blobs.ts'
import {
  ConditionFailed,
  checkKeys,
  checkWrites,
  conditionHolds,
  type Item,
  type Key,
  type KeyRange,
  keyOf,
  type Table,
  type Write,
} from '../table.ts'
import { mapSqliteError, mapSqliteErrors, SQLITE_ERROR, sqliteCode } from './errors.ts'
import { applyChange, decodeItem, encodeItem, type Row } from './row.ts'

/** The version of the file's schema, stored as `user_version`. A new file has 0. */
const SCHEMA_VERSION = 1

/**
 * WITHOUT ROWID makes the table one B-tree in the order of the key, so a query is one scan. Both value columns are
 * JSON, which operators can read with the sqlite3 shell (see {@link Row}).
 */
const CREATE_SCHEMA = `
  CREATE TABLE items (
    partition TEXT NOT NULL,
    sort TEXT NOT NULL,
    attributes TEXT NOT NULL,
    bytes TEXT,
    PRIMARY KEY (partition, sort)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};`

/** How long to wait for another process that writes, such as an operator's sqlite3 shell. It blocks the event loop. */
const BUSY_TIMEOUT_MS = 1_000

/** Sorts after every printable ASCII character. */
const AFTER_PRINTABLE = '\u007f'

/** A transaction that waits for the next commit. */
interface PendingTransaction {
  readonly writes: readonly Write[]
  resolve(): void
  reject(error: unknown): void
}

/**
 * A {@link Table} in one SQLite file, durable at every commit (WAL, synchronous=FULL). SQLite calls are synchronous: a
 * call takes about ten microseconds, and a commit takes as long as a sync of the disk. Transactions of the same
 * iteration of the event loop therefore share a commit.
 */
export class SqliteTable implements Table {
  readonly #db: DatabaseSync
  readonly #get: StatementSync
  readonly #put: StatementSync
  readonly #delete: StatementSync
  readonly #range: StatementSync
  #pending: PendingTransaction[] = []
  /** `DatabaseSync.isOpen` does not exist before Node 22.15. */
  #closed = false

  /**
   * Opens the file, and creates it if it does not exist.
   * @param exclusive locks every other process out until {@link close}. SQLite then needs no shared-memory index of the
   * write-ahead log (the `-shm` file), so a table can be opened and read on a disk without a free byte
   * @throws {SchemaTooNew} when a later version of this program wrote the file, which remains unchanged
   * @throws {StorageFull} when there is no room for the shared-memory index
   */
  constructor(path: string, { exclusive = false } = {}) {
    this.#db = new DatabaseSync(path)
    try {
      // Node before 22.16 ignores the constructor's `timeout` option.
      this.#db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
      if (exclusive) this.#db.exec('PRAGMA locking_mode = EXCLUSIVE')
      prepareFile(this.#db, path)
    } catch (error) {
      this.#db.close()
      throw mapSqliteError(error, { isOpen: false })
    }
    const selectRange =
      'SELECT sort, attributes, bytes FROM items WHERE partition = ? AND sort >= ? AND sort < ?'
    this.#get = this.#db.prepare('SELECT sort, attributes, bytes FROM items WHERE partition = ? AND sort = ?')
    this.#put = this.#db.prepare(
      'REPLACE INTO items (partition, sort, attributes, bytes) VALUES (?, ?, ?, ?)',
    )
    this.#delete = this.#db.prepare('DELETE FROM items WHERE partition = ? AND sort = ?')
    this.#range = this.#db.prepare(`${selectRange} ORDER BY sort LIMIT ?`)
  }

  async get<T extends Item>(key: Key): Promise<T | undefined> {
    return this.#read(key) as T | undefined
  }

  async getMany<T extends Item>(keys: readonly Key[]): Promise<(T | undefined)[]> {
    checkKeys(keys)
    return keys.map(key => this.#read(key) as T | undefined)
  }

  async query<T extends Item>(partition: string, range: KeyRange = {}): Promise<T[]> {
    const [first, end] = bounds(range)
    const rows = mapSqliteErrors(() =>
      this.#range.all(partition, first, end, range.limit ?? -1),
    ) as unknown as Row[]
    return rows.map(row => decodeItem(partition, row) as T)
  }

  async transact(...writes: readonly Write[]): Promise<void> {
    checkWrites(writes)
    if (this.#closed) throw new Error('the table is closed')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (this.#pending.length === 0) setImmediate(() => this.#flush())
    this.#pending.push({ writes, resolve, reject })
    return promise
  }

  /**
   * Commits the pending transactions and closes the file. SQLite then copies the write-ahead log into the file and
   * deletes the log.
   */
  async close(): Promise<void> {
    this.#flush()
    this.#closed = true
    this.#db.close()
  }

  #read(key: Key): Item | undefined {
    const row = mapSqliteErrors(() => this.#get.get(key.partition, key.sort)) as Row | undefined
    return row && decodeItem(key.partition, row)
  }

  #flush(): void {
    const batch = this.#pending
    this.#pending = []
    if (batch.length > 0) this.#commit(batch)
  }

  /** Applies the transactions one after the other in a single SQLite transaction, which syncs once. */
  #commit(batch: readonly PendingTransaction[]): void {
    const settlements: (() => void)[] = []
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      for (const { writes, resolve, reject } of batch) {
        try {
          this.#apply(writes)
          settlements.push(resolve)
        } catch (error) {
          if (sqliteCode(error) !== undefined) throw error
          settlements.push(() => reject(error))
        }
      }
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#rollBack()
      const cause = mapSqliteError(error)
      // A transaction that frees room or needs little must not fail because of another one in the batch that needs
      // much.
      if (cause instanceof StorageFull && batch.length > 1) for (const one of batch) this.#commit([one])
      else for (const { reject } of batch) reject(cause)
      return
    }
    for (const settle of settlements) settle()
  }

  /**
   * After some errors, such as a full disk, SQLite has already rolled back. Node before 22.16 has no `isTransaction` to
   * detect this.
   */
  #rollBack(): void {
    try {
      this.#db.exec('ROLLBACK')
    } catch (error) {
      if (sqliteCode(error) !== SQLITE_ERROR) throw error
    }
  }

  /**
   * Throws before the first write if the transaction fails, so that the other transactions of the batch are not
   * affected.
   */
  #apply(writes: readonly Write[]): void {
    const items = writes.map(write => this.#read(keyOf(write)))
    const failed = writes.flatMap((write, i) => (write.if && !conditionHolds(write.if, items[i]) ? [i] : []))
    if (failed.length > 0) throw new ConditionFailed(failed)
    const statements = writes.map((write, i) => this.#prepare(write, items[i]))
    for (const run of statements) run()
  }

  /** Encodes a write whose condition holds, and returns a function that runs its statement. */
  #prepare(write: Write, item: Item | undefined): () => void {
    const { partition, sort } = keyOf(write)
    if ('check' in write) return () => {}
    if ('delete' in write) return () => this.#delete.run(partition, sort)
    const row = encodeItem(
      'put' in write ? write.put : applyChange(item ?? { partition, sort }, write.change),
    )
    return () => this.#put.run(partition, sort, row.attributes, row.bytes)
  }
}

/** The file was written by a later version of this program. */
export class SchemaTooNew extends Error {
  override readonly name = 'SchemaTooNew'
}

function prepareFile(db: DatabaseSync, path: string): void {
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version > SCHEMA_VERSION)
    throw new SchemaTooNew(
      `${path} was written by a newer version of Longshore: it has schema version ${version}, but the latest supported is ${SCHEMA_VERSION}`,
    )
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  if (version === 0) db.exec(`BEGIN IMMEDIATE; ${CREATE_SCHEMA} COMMIT`)
}

/** The bounds of the sort keys in a range: `first` is inclusive, `end` is exclusive. */
function bounds({ prefix = '', after }: KeyRange): [first: string, end: string] {
  const end = prefix + AFTER_PRINTABLE
  if (after === undefined) return [prefix, end]
  // A space is the first printable ASCII character, so this is the smallest key after `after`.
  const next = `${after} `
  return [next > prefix ? next : prefix, end]
}
