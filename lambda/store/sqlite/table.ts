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
  TableBusy,
  type Write,
} from '../table.ts'
import { applyChange, decodeItem, encodeItem, type Row } from './row.ts'

/** The layout of the file, kept in its `user_version`. 0 is a file that was just made. */
const SCHEMA = 1

/**
 * Without a row id the table is one B-tree in the order of the key, so a query is one walk. Both columns are JSON, for
 * an operator with the sqlite3 shell: `attributes` as they are, `bytes` the attributes that hold bytes, as base64.
 */
const CREATE = `
  CREATE TABLE items (
    partition TEXT NOT NULL,
    sort TEXT NOT NULL,
    attributes TEXT NOT NULL,
    bytes TEXT,
    PRIMARY KEY (partition, sort)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA};`

/** How long to wait, in ms, for another process that writes (an operator's shell). The event loop waits too. */
const BUSY_TIMEOUT_MS = 1_000

/** Sorts behind every printable character. */
const LAST = '\u007f'

/** A transaction that waits for the next commit. */
interface Waiting {
  readonly writes: readonly Write[]
  resolve(): void
  reject(error: unknown): void
}

/**
 * A table in one SQLite file, durable at every commit (WAL, synchronous=FULL). Calls into SQLite are synchronous: they
 * take some ten microseconds, and a commit as long as the disk takes to sync. So the transactions of one turn of the
 * event loop share a commit.
 */
export class SqliteTable implements Table {
  readonly #db: DatabaseSync
  readonly #get: StatementSync
  readonly #put: StatementSync
  readonly #delete: StatementSync
  readonly #range: StatementSync
  #waiting: Waiting[] = []
  /** Node before 22.15 has no `isOpen`. */
  #closed = false

  /**
   * Opens the file, making it where there is none.
   * @param alone keeps every other process out until {@link close}. SQLite then has no shared index of its log, so a table can be opened
   * and read on a disk without a free byte
   * @throws {SchemaTooNew} when a later version of this program wrote it; the file is left as it was
   * @throws {StorageFull} when there is no room for the shared index
   */
  constructor(path: string, { alone = false } = {}) {
    this.#db = new DatabaseSync(path)
    try {
      // Not by the option `timeout`, which Node before 22.16 ignores.
      this.#db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
      if (alone) this.#db.exec('PRAGMA locking_mode = EXCLUSIVE')
      prepareFile(this.#db, path)
    } catch (error) {
      this.#db.close()
      throw explained(error, { isOpen: false })
    }
    const range = 'SELECT sort, attributes, bytes FROM items WHERE partition = ? AND sort >= ? AND sort < ?'
    this.#get = this.#db.prepare('SELECT sort, attributes, bytes FROM items WHERE partition = ? AND sort = ?')
    this.#put = this.#db.prepare(
      'REPLACE INTO items (partition, sort, attributes, bytes) VALUES (?, ?, ?, ?)',
    )
    this.#delete = this.#db.prepare('DELETE FROM items WHERE partition = ? AND sort = ?')
    this.#range = this.#db.prepare(`${range} ORDER BY sort LIMIT ?`)
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
    const rows = reading(() => this.#range.all(partition, first, end, range.limit ?? -1)) as unknown as Row[]
    return rows.map(row => decodeItem(partition, row) as T)
  }

  async transact(...writes: readonly Write[]): Promise<void> {
    checkWrites(writes)
    if (this.#closed) throw new Error('the table is closed')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (this.#waiting.length === 0) setImmediate(() => this.#flush())
    this.#waiting.push({ writes, resolve, reject })
    return promise
  }

  /** Commits what waits, moves the write-ahead log into the file, and lets go of both. */
  async close(): Promise<void> {
    this.#flush()
    this.#closed = true
    this.#db.close()
  }

  #read(key: Key): Item | undefined {
    const row = reading(() => this.#get.get(key.partition, key.sort)) as Row | undefined
    return row && decodeItem(key.partition, row)
  }

  #flush(): void {
    const batch = this.#waiting
    this.#waiting = []
    if (batch.length > 0) this.#commit(batch)
  }

  /** Applies the transactions one after the other and syncs once. */
  #commit(batch: readonly Waiting[]): void {
    const answers: (() => void)[] = []
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      for (const { writes, resolve, reject } of batch) {
        try {
          this.#apply(writes)
          answers.push(resolve)
        } catch (error) {
          if (sqliteCode(error) !== undefined) throw error
          answers.push(() => reject(error))
        }
      }
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#rollBack()
      const cause = explained(error)
      // What frees room, or needs little, shall not fail with a neighbour that needs much.
      if (cause instanceof StorageFull && batch.length > 1) for (const one of batch) this.#commit([one])
      else for (const { reject } of batch) reject(cause)
      return
    }
    for (const answer of answers) answer()
  }

  /** After some errors, a full disk among them, SQLite has rolled back by itself. Node before 22.16 cannot tell (`isTransaction`). */
  #rollBack(): void {
    try {
      this.#db.exec('ROLLBACK')
    } catch (error) {
      if (sqliteCode(error) !== SQLITE_ERROR) throw error
    }
  }

  /** Whatever refuses a transaction is thrown before its first write, so its neighbours in the batch are undisturbed. */
  #apply(writes: readonly Write[]): void {
    const items = writes.map(write => this.#read(keyOf(write)))
    const failed = writes.flatMap((write, i) => (write.if && !conditionHolds(write.if, items[i]) ? [i] : []))
    if (failed.length > 0) throw new ConditionFailed(failed)
    const steps = writes.map((write, i) => this.#step(write, items[i]))
    for (const step of steps) step()
  }

  /** One write whose condition holds, ready to be made. */
  #step(write: Write, item: Item | undefined): () => void {
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
  const { user_version: schema } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (schema > SCHEMA)
    throw new SchemaTooNew(`${path} was written by a newer version (schema ${schema}, known up to ${SCHEMA})`)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  if (schema === 0) db.exec(`BEGIN IMMEDIATE; ${CREATE} COMMIT`)
}

/** The sort keys of a range: from the first, inclusive, to the end, exclusive. */
function bounds({ prefix = '', after }: KeyRange): [first: string, end: string] {
  const end = prefix + LAST
  if (after === undefined) return [prefix, end]
  // A space is the first printable character, so this is the first key behind `after`.
  const next = `${after} `
  return [next > prefix ? next : prefix, end]
}

/** The extended result code, where SQLite is what failed. https://sqlite.org/rescode.html */
function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) : undefined
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw explained(error)
  }
}

/** Among others: there is no transaction to roll back. */
const SQLITE_ERROR = 1
const SQLITE_BUSY = 5
const SQLITE_FULL = 13
/** A file beside the open table, such as its log, could not be opened: the process has no file descriptors left. */
const SQLITE_CANTOPEN = 14
/** The index of the log could not grow, which it takes disk for. */
const SQLITE_IOERR_SHMSIZE = 4874

function explained(error: unknown, { isOpen = true } = {}): unknown {
  const code = sqliteCode(error)
  if (code === undefined) return error
  if (code === SQLITE_FULL || code === SQLITE_IOERR_SHMSIZE)
    return new StorageFull('no room for the table', { cause: error })
  if ((code & 0xff) === SQLITE_BUSY) return new TableBusy('the table is locked', { cause: error })
  if (isOpen && (code & 0xff) === SQLITE_CANTOPEN)
    return new TableBusy('a file of the table cannot be opened', { cause: error })
  return error
}
