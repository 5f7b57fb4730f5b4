import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { matchesAny } from '../lambda/auth/policy/glob.ts'
import { type Dependencies, UPLOAD_LIFETIME } from '../lambda/registry/dependencies.ts'
import { createRegistryApp } from '../lambda/registry-app.ts'
import { FileBlobs } from '../lambda/store/files/blobs.ts'
import { databaseIn } from './data-folder.ts'
import { FullDisk } from './full-disk.ts'
import { openAuth } from './local-auth.ts'
import { main, type OpenedRegistry, type OpenOptions, type Report } from './main.ts'
import { refuseMissingTable } from './missing-table.ts'
import { openTable } from './open-table.ts'
import { Reserve } from './reserve.ts'

const pause = (milliseconds: number) => setTimeout(milliseconds, undefined, { ref: false })

await main(openRegistry)

/** Opens the registry of one data folder: rows in a SQLite database, bytes in files. */
async function openRegistry(options: OpenOptions, report: Report): Promise<OpenedRegistry> {
  const { data, grace, origin, corsOrigins, sparse = [], newTable = false } = options
  const movedTo = refuseMissingTable(data, newTable)
  if (movedTo)
    report.notice(
      `the files of an earlier registry were moved to ${movedTo}; delete that folder when you no longer need them`,
    )
  const reserve = new Reserve(data, report.warning)
  const table = openTable(databaseIn(data), reserve)
  const store = await FileBlobs.open(data)
  await reserve.restore()
  if (await reserve.isDiskFull())
    report.warning(
      'the disk of the data folder is full: pulls and deletes are served, pushes are refused until there is room',
    )
  const deps: Dependencies = {
    ...{
      table,
      store,
      clock: Date.now,
      pause,
      newId: randomUUID,
      gracePeriod: grace,
      uploadLifetime: UPLOAD_LIFETIME,
    },
    isSparse: name => matchesAny(sparse, name),
  }
  const auth = await openAuth(table, options, report.notice)
  const { app, collector } = createRegistryApp(deps, { ...(origin && { origin }), auth, corsOrigins })
  const fullDisk = new FullDisk(reserve)
  const collect = async () => {
    const { failures } = await fullDisk.collect(() => collector.run())
    if (failures.length > 0)
      throw new Error(`the collector failed on ${failures.length} rows`, { cause: failures[0] })
  }
  return { app: fullDisk.protect(app), collect, close: () => table.close() }
}
