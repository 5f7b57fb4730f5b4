/** The key of an item. Both parts are printable ASCII, so every store sorts them in the same order. */
export type Key = {
  readonly partition: string
  readonly sort: string
}

/** The value of an attribute: JSON, or bytes. Bytes are allowed only at the top level of an item. */
export type Value = Json | Uint8Array
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json | undefined }

/** An item: its key and its attributes. An attribute that is `undefined` is absent. */
export type Item = Key & { readonly [attribute: string]: Value | undefined }

/** The condition on the stored item under which a write is made. An absent attribute passes no test. */
export type Condition = 'absent' | 'present' | { readonly [attribute: string]: Test }

/** The value that an attribute must equal. */
export type Test = string | number | boolean

export type Write =
  | { readonly put: Item; readonly if?: Condition }
  | { readonly update: Key; readonly change: Change; readonly if?: Condition }
  | { readonly delete: Key; readonly if?: Condition }
  | { readonly check: Key; readonly if: Condition }

/**
 * The changes of an update, which creates the item if it is absent. `add` starts from 0 if the attribute is absent, and
 * fails if the attribute is not a number. An attribute may be named once, and the key's attributes may not be named.
 */
export interface Change {
  readonly set?: { readonly [attribute: string]: Value }
  readonly add?: { readonly [attribute: string]: number }
}

/** A part of a partition, in the order of `sort`. */
export interface KeyRange {
  readonly prefix?: string
  /**
   * The range begins after this sort key: the last one of the previous page. Its item need not exist, and it need not
   * have the prefix.
   */
  readonly after?: string
  /** The maximum number of items. */
  readonly limit?: number
}

/**
 * An ordered key-value table: partitions of items, each sorted by `sort`. It offers only operations that both DynamoDB
 * and SQLite do well. Every read sees all writes that were acknowledged before the read began.
 */
export interface Table {
  /** Returns the item; `undefined` if there is none. */
  get<T extends Item>(key: Key): Promise<T | undefined>
  /**
   * Returns the items in the order of the keys, with `undefined` for a missing item. A key that occurs twice yields its
   * item twice.
   * @throws {TypeError} for more than {@link MAX_KEYS} keys
   */
  getMany<T extends Item>(keys: readonly Key[]): Promise<(T | undefined)[]>
  /** Returns the items of a partition, or of a range of it, in the order of `sort`. */
  query<T extends Item>(partition: string, range?: KeyRange): Promise<T[]>
  /**
   * Applies all writes or none, durably. A transaction has at most {@link MAX_WRITES} writes and names an item once.
   * @throws {ConditionFailed} when a condition does not hold
   * @throws {TableBusy} when the store cannot accept the transaction now; the caller may try again
   * @throws {StorageFull} when there is no room
   * @throws {TypeError} for a transaction that {@link checkWrites} rejects
   */
  transact(...writes: readonly Write[]): Promise<void>
}

/** Maximum number of writes in a transaction: DynamoDB's limit for TransactWriteItems. */
export const MAX_WRITES = 100
/** Maximum number of keys in a `getMany`: DynamoDB's limit for BatchGetItem. */
export const MAX_KEYS = 100

/** The condition of at least one write did not hold, so nothing was written. */
export class ConditionFailed extends Error {
  override readonly name = 'ConditionFailed'
  /** The indexes of the writes whose condition did not hold, ascending; at least one. */
  readonly failed: readonly number[]
  constructor(failed: readonly number[]) {
    super(`condition failed for write ${failed.join(', ')}`)
    this.failed = failed
  }
}

/** The store throttles requests, is unreachable, or transactions conflict, and the adapter's own retries failed too. */
export class TableBusy extends Error {
  override readonly name = 'TableBusy'
}

/** Evaluates a condition on the stored item. Stores that evaluate conditions themselves must give the same result. */
export function conditionHolds(condition: Condition, item: Item | undefined): boolean {
  if (condition === 'absent') return item === undefined
  if (item === undefined) return false
  if (condition === 'present') return true
  return Object.entries(condition).every(([attribute, test]) => item[attribute] === test)
}

/** The key of the item that a write concerns. */
export function keyOf(write: Write): Key {
  if ('put' in write) return write.put
  if ('update' in write) return write.update
  return 'delete' in write ? write.delete : write.check
}

const KEY_PART = /^[ -~]{1,1024}$/

/**
 * The rule is the same in every adapter, so that tests with one adapter find a mistake that another would reject.
 * @throws {TypeError}
 */
function checkKey({ partition, sort }: Key): void {
  for (const part of [partition, sort])
    if (!KEY_PART.test(part))
      throw new TypeError(`a key part must be 1 to 1024 printable ASCII characters: ${JSON.stringify(part)}`)
}

/** Validates the keys of a `get` or a `getMany`. Every adapter calls this. @throws {TypeError} */
export function checkKeys(keys: readonly Key[]): void {
  if (keys.length > MAX_KEYS)
    throw new TypeError(`getMany takes at most ${MAX_KEYS} keys, not ${keys.length}`)
  keys.forEach(checkKey)
}

/** Validates a transaction. Every adapter calls this before it reads an item. @throws {TypeError} */
export function checkWrites(writes: readonly Write[]): void {
  if (writes.length === 0 || writes.length > MAX_WRITES)
    throw new TypeError(`a transaction must have 1 to ${MAX_WRITES} writes, not ${writes.length}`)
  const items = new Set<string>()
  for (const write of writes) {
    const key = keyOf(write)
    checkKey(key)
    items.add(`${key.partition}\n${key.sort}`)
    if ('update' in write) checkChange(write.change)
  }
  if (items.size < writes.length) throw new TypeError('a transaction must not name an item twice')
}

function checkChange({ set = {}, add = {} }: Change): void {
  const named = ['partition', 'sort', ...Object.keys(set), ...Object.keys(add)]
  if (new Set(named).size < named.length)
    throw new TypeError(
      `an update must name an attribute once, and none of the key: ${named.slice(2).join(', ')}`,
    )
}
