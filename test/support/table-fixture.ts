import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Change, Item, Key, KeyRange, Table, Value } from '../../lambda/store/table.ts'

export type CreateTable = () => Promise<{ table: Table; close(): Promise<void> }>

/** A partition of a test's own on a table that all tests of a suite share, and short words for what tests do there. */
export interface TableFixture {
  table(): Table
  partition(): string
  key(sort: string): Key
  item(sort: string, attributes?: { [name: string]: Value | undefined }): Item
  put(...items: Item[]): Promise<void>
  get(sort: string): Promise<Item | undefined>
  update(sort: string, change: Change): Promise<void>
  /** The sort keys that a query of the partition finds. */
  sorts(range?: KeyRange): Promise<string[]>
}

/** Makes the table before the tests of the suite that calls this, and a new partition before each. */
export function tableFixture(create: CreateTable): TableFixture {
  let made: Awaited<ReturnType<CreateTable>>
  let partition: string
  beforeAll(async () => {
    made = await create()
  })
  afterAll(() => made.close())
  beforeEach(() => {
    partition = `repository#${randomUUID()}`
  })
  const table = () => made.table
  const key = (sort: string) => ({ partition, sort })
  return {
    table,
    partition: () => partition,
    key,
    item: (sort, attributes = {}) => ({ ...attributes, partition, sort }),
    put: (...items) => table().transact(...items.map(one => ({ put: one }))),
    get: sort => table().get(key(sort)),
    update: (sort, change) => table().transact({ update: key(sort), change }),
    sorts: async range => (await table().query(partition, range)).map(found => found.sort),
  }
}

/** Bytes by their hex, so that a Buffer equals any other Uint8Array, and nothing else does. */
export function plain(item: Item | undefined): unknown {
  return (
    item &&
    Object.entries(item)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, value]) => [
        name,
        value instanceof Uint8Array ? { hex: Buffer.from(value).toString('hex') } : value,
      ])
  )
}
