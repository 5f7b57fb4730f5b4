/** Where an item lives. Both parts are printable ASCII, so every store sorts them alike. */
export type Key = {
  readonly partition: string
  readonly sort: string
}

/** What an attribute may hold: JSON, and bytes at the top level of an item only. */
export type Value = Json | Uint8Array
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json | undefined }

/** An item is its key and its attributes. An attribute that is `undefined` is absent. */
export type Item = Key & { readonly [attribute: string]: Value | undefined }

/** What must hold of the stored item for a write to go through. An attribute that is absent passes no test. */
export type Condition = 'absent' | 'present' | { readonly [attribute: string]: Test }

/** The value that the attribute must equal. */
export type Test = string | number | boolean

export type Write =
  | { readonly put: Item; readonly if?: Condition }
  | { readonly update: Key; readonly change: Change; readonly if?: Condition }
  | { readonly delete: Key; readonly if?: Condition }
  | { readonly check: Key; readonly if: Condition }

/**
 * An update of an absent item makes it. `add` counts from 0 where the attribute is absent, and fails where it is no
 * number. Each attribute at most once, and none of the key's.
 */
export interface Change {
  readonly set?: { readonly [attribute: string]: Value }
  readonly add?: { readonly [attribute: string]: number }
}

/**
 * Part of a partition, in the order of `sort`. `after` is a whole sort key, exclusive: where the previous page ended.
 * It need not exist, nor carry the prefix.
 */
export interface KeyRange {
  readonly prefix?: string
  readonly after?: string
  readonly limit?: number
}

/**
 * An ordered key-value table: partitions of items, each sorted by `sort`. What DynamoDB and SQLite both do well, and no more.
 * Every read sees all writes that were acknowledged before it began.
 */
export interface Table {
  get<T extends Item>(key: Key): Promise<T | undefined>
  /**
   * The items in the order of the keys, `undefined` where there is none. A key may come twice and is answered twice.
   * @throws {TypeError} for more than {@link MAX_KEYS} keys
   */
  getMany<T extends Item>(keys: readonly Key[]): Promise<(T | undefined)[]>
  query<T extends Item>(partition: string, range?: KeyRange): Promise<T[]>
  /**
   * Applies every write or none, durably. Each item at most once, at most {@link MAX_WRITES} writes.
   * @throws {ConditionFailed} when the stored items do not allow it
   * @throws {TableBusy} when the store cannot take the write now and it may be tried again
   * @throws {StorageFull} when there is no room
   * @throws {TypeError} for a transaction that {@link checkWrites} refuses
   */
  transact(...writes: readonly Write[]): Promise<void>
}

/** DynamoDB's bound on TransactWriteItems. */
export const MAX_WRITES = 100
/** DynamoDB's bound on BatchGetItem. */
export const MAX_KEYS = 100

/** A write's condition did not hold, so nothing was written. */
export class ConditionFailed extends Error {
  override readonly name = 'ConditionFailed'
  /** Which writes of the transaction were refused: indexes into its arguments, ascending, at least one. */
  readonly failed: readonly number[]
  constructor(failed: readonly number[]) {
    super(`condition failed for write ${failed.join(', ')}`)
    this.failed = failed
  }
}

/** The store is throttling or in conflict, and stayed so through the adapter's own retries. */
export class TableBusy extends Error {
  override readonly name = 'TableBusy'
}

/** Judges a condition against the stored item. Stores that evaluate conditions themselves must agree with this. */
export function conditionHolds(condition: Condition, item: Item | undefined): boolean {
  if (condition === 'absent') return item === undefined
  if (item === undefined) return false
  if (condition === 'present') return true
  return Object.entries(condition).every(([attribute, test]) => item[attribute] === test)
}

/** The key that a write is about. */
export function keyOf(write: Write): Key {
  if ('put' in write) return write.put
  if ('update' in write) return write.update
  return 'delete' in write ? write.delete : write.check
}

const KEY_PART = /^[ -~]{1,1024}$/

/** What every adapter asks of a key, so that a mistake shows on the most lenient one. @throws {TypeError} */
function checkKey({ partition, sort }: Key): void {
  for (const part of [partition, sort])
    if (!KEY_PART.test(part)) throw new TypeError(`not a part of a key: ${JSON.stringify(part)}`)
}

/** What every adapter asks of {@link Table.getMany}. @throws {TypeError} */
export function checkKeys(keys: readonly Key[]): void {
  if (keys.length > MAX_KEYS) throw new TypeError(`${keys.length} keys at once`)
  keys.forEach(checkKey)
}

/** What every adapter asks of a transaction before it looks at any item. @throws {TypeError} */
export function checkWrites(writes: readonly Write[]): void {
  if (writes.length === 0 || writes.length > MAX_WRITES)
    throw new TypeError(`a transaction of ${writes.length} writes`)
  const items = new Set<string>()
  for (const write of writes) {
    const key = keyOf(write)
    checkKey(key)
    items.add(`${key.partition}\n${key.sort}`)
    if ('update' in write) checkChange(write.change)
  }
  if (items.size < writes.length) throw new TypeError('a transaction names an item twice')
}

function checkChange({ set = {}, add = {} }: Change): void {
  const named = ['partition', 'sort', ...Object.keys(set), ...Object.keys(add)]
  if (new Set(named).size < named.length)
    throw new TypeError(`an update names an attribute twice, or one of the key: ${named.slice(2).join(', ')}`)
}
