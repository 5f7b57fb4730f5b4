import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ACCESS_PARTITIONS } from '../lambda/store/keys.ts'
import { StartError } from './start-error.ts'

/** Folders whose files are named by rows of the database. */
const FOLDERS = ['blobs', 'drafts']

/**
 * Refuses to create an empty database beside the files of an earlier one: clients would find no images, and the
 * collector would never delete the files. With `--new-table` the files are moved into a new folder instead, where they
 * stay until the operator deletes them.
 * @param isNewTable whether the server was started with `--new-table`
 * @returns the folder into which files were moved; `undefined` when none were
 * @throws {StartError} that says what to do
 */
export function refuseMissingTable(folder: string, isNewTable: boolean): string | undefined {
  const table = join(folder, 'registry.sqlite')
  const size = statSync(table, { throwIfNoEntry: false })?.size
  if (!hasFiles(join(folder, 'blobs')) || (size && !isWithoutContent(table))) return undefined
  if (!isNewTable)
    throw new StartError(
      'failure',
      `${table} is ${size === undefined ? 'missing' : 'empty'}, but ${join(folder, 'blobs')} has files: restore it from a backup, or start an empty registry with --new-table`,
    )
  const movedTo = join(folder, `old-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`)
  mkdirSync(movedTo, { mode: 0o700 })
  for (const name of FOLDERS)
    if (statSync(join(folder, name), { throwIfNoEntry: false }))
      renameSync(join(folder, name), join(movedTo, name))
  return movedTo
}

/**
 * Whether a database has no row of a repository, a blob or the collector. Such a row names each file of `blobs/`
 * (invariant I1), so the files belong to another database. A database that cannot be read counts as having content:
 * opening it reports the error.
 */
function isWithoutContent(file: string): boolean {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { readOnly: true })
    const placeholders = ACCESS_PARTITIONS.map(() => '?').join()
    const content = database.prepare(`SELECT 1 FROM items WHERE partition NOT IN (${placeholders}) LIMIT 1`)
    return content.get(...ACCESS_PARTITIONS) === undefined
  } catch {
    return false
  } finally {
    database?.close()
  }
}

/** Whether a folder has a file. It stops at the first one, so a large registry takes no longer than a small one. */
function hasFiles(folder: string): boolean {
  if (!statSync(folder, { throwIfNoEntry: false })) return false
  return readdirSync(folder, { withFileTypes: true }).some(
    entry => entry.isFile() || (entry.isDirectory() && hasFiles(join(folder, entry.name))),
  )
}
