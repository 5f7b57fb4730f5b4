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
  type Value,
  type Write,
} from '../../lambda/store/table.ts'

/** A {@link Table} in memory: the simple model that the contract compares adapters with. */
export class MemoryTable implements Table {
  #items: readonly Item[] = []

  async get<T extends Item>(key: Key): Promise<T | undefined> {
    return this.#find(key) as T | undefined
  }

  async getMany<T extends Item>(keys: readonly Key[]): Promise<(T | undefined)[]> {
    checkKeys(keys)
    return keys.map(key => this.#find(key) as T | undefined)
  }

  async query<T extends Item>(partition: string, range: KeyRange = {}): Promise<T[]> {
    const { prefix = '', after, limit = Number.POSITIVE_INFINITY } = range
    const ordered = this.#items
      .filter(item => item.partition === partition && item.sort.startsWith(prefix))
      .sort((a, b) => (a.sort < b.sort ? -1 : 1))
    const isAfter = ({ sort }: Item) => after === undefined || sort > after
    return ordered
      .filter(isAfter)
      .slice(0, limit)
      .map(item => copy(item) as T)
  }

  async transact(...writes: readonly Write[]): Promise<void> {
    checkWrites(writes)
    const conditionFails = (write: Write) =>
      write.if !== undefined && !conditionHolds(write.if, this.#find(keyOf(write)))
    const failed = [...writes.keys()].filter(i => conditionFails(writes[i] as Write))
    if (failed.length > 0) throw new ConditionFailed(failed)
    this.#items = writes.reduce(applyWrite, this.#items)
  }

  /** Returns every item, for tests that check what a registry wrote. */
  all(): Item[] {
    return this.#items.map(copy)
  }

  #find(key: Key): Item | undefined {
    const found = this.#items.find(item => hasKey(item, key))
    return found && copy(found)
  }
}

function applyWrite(items: readonly Item[], write: Write): readonly Item[] {
  if ('check' in write) return items
  const key = keyOf(write)
  const others = items.filter(item => !hasKey(item, key))
  if ('delete' in write) return others
  if ('put' in write) return [...others, copy(write.put)]
  const { partition, sort } = key
  const item: Record<string, Value | undefined> = { ...items.find(item => hasKey(item, key)) }
  for (const [name, value] of Object.entries(write.change.set ?? {})) item[name] = value
  for (const [name, amount] of Object.entries(write.change.add ?? {})) {
    const sum = item[name] ?? 0
    if (typeof sum !== 'number') throw new TypeError(`cannot add to ${name}: the attribute must be a number`)
    item[name] = sum + amount
  }
  return [...others, copy({ ...item, partition, sort })]
}

function hasKey(item: Item, key: Key): boolean {
  return item.partition === key.partition && item.sort === key.sort
}

/** A deep copy without `undefined` members, so that callers share no object with the table. */
function copy<V extends Value | Item>(value: V): V {
  if (value instanceof Uint8Array) return Uint8Array.from(value) as typeof value
  if (Array.isArray(value)) return value.map(copy) as unknown as V
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(entries.map(([name, member]) => [name, copy(member as Value)])) as V
}
