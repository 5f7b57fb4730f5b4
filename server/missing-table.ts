import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ACCESS_PARTITIONS } from '../lambda/store/keys.ts'
import { StartError } from './start-error.ts'

/** Folders whose files only the table can name. */
const FOLDERS = ['blobs', 'drafts']

/**
 * Refuses to begin an empty table beside the files of an earlier one: the images would be gone to clients, and nothing would ever
 * delete the files. With consent, the files are moved out of the way and stay until somebody deletes them.
 * @param isConsented whether the server was started with `--new-table`
 * @returns the folder into which old files were moved, if any were
 * @throws {StartError} saying what to do
 */
export function refuseMissingTable(folder: string, isConsented: boolean): string | undefined {
  const table = join(folder, 'registry.sqlite')
  const size = statSync(table, { throwIfNoEntry: false })?.size
  if (!hasFiles(join(folder, 'blobs')) || (size && !isWithoutContent(table))) return undefined
  if (!isConsented)
    throw new StartError(
      'failure',
      `${table} is ${size === undefined ? 'missing' : 'empty'}, but ${join(folder, 'blobs')} has files: restore it from a backup, or begin an empty registry with --new-table`,
    )
  const aside = join(folder, `old-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`)
  mkdirSync(aside, { mode: 0o700 })
  for (const name of FOLDERS)
    if (statSync(join(folder, name), { throwIfNoEntry: false }))
      renameSync(join(folder, name), join(aside, name))
  return aside
}

/**
 * Whether a table has no row of a repository, a blob or the collector. One of them names every file of `blobs/` (invariant I1), so the
 * files are of another table. What cannot be read is left to whoever opens the table, and says what is wrong with it.
 */
function isWithoutContent(file: string): boolean {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { readOnly: true })
    const known = ACCESS_PARTITIONS.map(() => '?').join()
    const content = database.prepare(`SELECT 1 FROM items WHERE partition NOT IN (${known}) LIMIT 1`)
    return content.get(...ACCESS_PARTITIONS) === undefined
  } catch {
    return false
  } finally {
    database?.close()
  }
}

/** Stops at the first file, so a large registry costs no more than a small one. */
function hasFiles(folder: string): boolean {
  if (!statSync(folder, { throwIfNoEntry: false })) return false
  return readdirSync(folder, { withFileTypes: true }).some(
    entry => entry.isFile() || (entry.isDirectory() && hasFiles(join(folder, entry.name))),
  )
}
