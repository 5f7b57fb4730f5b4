import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { matchesAny } from '../lambda/auth/glob.ts'
import { type Dependencies, UPLOAD_LIFE } from '../lambda/registry/dependencies.ts'
import { createRegistryApp } from '../lambda/registry-app.ts'
import { FileBlobs } from '../lambda/store/file-blobs.ts'
import { SqliteTable } from '../lambda/store/sqlite-table.ts'
import { openAuth } from './local-auth.ts'
import { main, type OpenOptions, type OpenRegistry } from './main.ts'

const pause = (milliseconds: number) => setTimeout(milliseconds, undefined, { ref: false })

await main(openRegistry)

/** The registry on one folder: a database for what is said, files for what is held. */
async function openRegistry(options: OpenOptions, tell: (message: string) => void): Promise<OpenRegistry> {
  const { data, grace, origin, corsOrigins, sparse = [] } = options
  const table = new SqliteTable(join(data, 'registry.sqlite'))
  const store = await FileBlobs.open(data)
  const deps: Dependencies = {
    ...{ table, store, clock: Date.now, pause, newId: randomUUID, grace, uploadLife: UPLOAD_LIFE },
    isSparse: name => matchesAny(sparse, name),
  }
  const auth = await openAuth(table, options, tell)
  const { app, collector } = createRegistryApp(deps, { ...(origin && { origin }), auth, corsOrigins })
  const collect = async () => {
    const { failures } = await collector.run()
    if (failures.length > 0)
      throw new Error(`the collector failed on ${failures.length} rows`, { cause: failures[0] })
  }
  return { app, collect, close: () => table.close() }
}
