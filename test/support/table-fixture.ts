import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Change, Item, Key, KeyRange, Table, Value } from '../../lambda/store/table.ts'

export type CreateTable = () => Promise<{ table: Table; close(): Promise<void> }>

/** A new partition for each test, in a table that all tests of a suite share, and shortcuts for operations on it. */
export interface TableFixture {
  table(): Table
  partition(): string
  key(sort: string): Key
  item(sort: string, attributes?: { [name: string]: Value | undefined }): Item
  put(...items: Item[]): Promise<void>
  get(sort: string): Promise<Item | undefined>
  update(sort: string, change: Change): Promise<void>
  /** The sort keys that a query of the partition finds. */
  sortKeys(range?: KeyRange): Promise<string[]>
}

/** Creates the table before the tests of the calling suite, and a new partition before each test. */
export function tableFixture(create: CreateTable): TableFixture {
  let created: Awaited<ReturnType<CreateTable>>
  let partition: string
  beforeAll(async () => {
    created = await create()
  })
  afterAll(() => created.close())
  beforeEach(() => {
    partition = `repository#${randomUUID()}`
  })
  const table = () => created.table
  const key = (sort: string) => ({ partition, sort })
  return {
    table,
    partition: () => partition,
    key,
    item: (sort, attributes = {}) => ({ ...attributes, partition, sort }),
    put: (...items) => table().transact(...items.map(one => ({ put: one }))),
    get: sort => table().get(key(sort)),
    update: (sort, change) => table().transact({ update: key(sort), change }),
    sortKeys: async range => (await table().query(partition, range)).map(found => found.sort),
  }
}

/** The item in a form to compare: with bytes in hex, so that a Buffer equals a Uint8Array with the same bytes. */
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
