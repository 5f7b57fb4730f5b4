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

/** What a Table is, written to be obviously right. Adapters are compared with it. */
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
    const behind = ({ sort }: Item) => after === undefined || sort > after
    return ordered
      .filter(behind)
      .slice(0, limit)
      .map(item => copy(item) as T)
  }

  async transact(...writes: readonly Write[]): Promise<void> {
    checkWrites(writes)
    const refused = (write: Write) =>
      write.if !== undefined && !conditionHolds(write.if, this.#find(keyOf(write)))
    const failed = [...writes.keys()].filter(i => refused(writes[i] as Write))
    if (failed.length > 0) throw new ConditionFailed(failed)
    this.#items = writes.reduce(applied, this.#items)
  }

  /** Every item, for those who check what a registry wrote. */
  all(): Item[] {
    return this.#items.map(copy)
  }

  #find(key: Key): Item | undefined {
    const found = this.#items.find(item => same(item, key))
    return found && copy(found)
  }
}

function applied(items: readonly Item[], write: Write): readonly Item[] {
  if ('check' in write) return items
  const key = keyOf(write)
  const others = items.filter(item => !same(item, key))
  if ('delete' in write) return others
  if ('put' in write) return [...others, copy(write.put)]
  const { partition, sort } = key
  const item: Record<string, Value | undefined> = { ...items.find(item => same(item, key)) }
  for (const [name, value] of Object.entries(write.change.set ?? {})) item[name] = value
  for (const [name, amount] of Object.entries(write.change.add ?? {})) {
    const sum = item[name] ?? 0
    if (typeof sum !== 'number') throw new TypeError(`${name} is no number to add to`)
    item[name] = sum + amount
  }
  return [...others, copy({ ...item, partition, sort })]
}

function same(a: Key, b: Key): boolean {
  return a.partition === b.partition && a.sort === b.sort
}

/** All the way down, so that nobody holds a piece of the store, and without what is `undefined`. */
function copy<V extends Value | Item>(value: V): V {
  if (value instanceof Uint8Array) return Uint8Array.from(value) as typeof value
  if (Array.isArray(value)) return value.map(copy) as unknown as V
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(entries.map(([name, member]) => [name, copy(member as Value)])) as V
}
