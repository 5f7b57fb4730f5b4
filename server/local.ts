import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { createRegistryApp } from '../lambda/registry-app.ts'
import { FileBlobs } from '../lambda/store/file-blobs.ts'
import { SqliteTable } from '../lambda/store/sqlite-table.ts'
import { main, type OpenOptions, type OpenRegistry } from './main.ts'

await main(openRegistry)

/** The registry on one folder: a database for what is said, files for what is held. */
async function openRegistry({ data, grace, origin }: OpenOptions): Promise<OpenRegistry> {
  const table = new SqliteTable(join(data, 'registry.sqlite'))
  const blobs = await FileBlobs.open(data)
  const { app, collector } = createRegistryApp({
    table,
    blobs,
    clock: Date.now,
    newId: randomUUID,
    origin,
    grace,
  })
  return { app, collect: () => collector.run(), close: () => table.close() }
}
