import { mkdir, open } from 'node:fs/promises'
import { platform } from 'node:os'
import { dirname, resolve } from 'node:path'
import { StorageFull, StoreBusy } from '../blobs.ts'

/** Makes the changes to a directory's entries (created, renamed, removed) survive a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open a directory, and journals its entries without a sync.
  if (platform() === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Creates a directory and its missing parents, durably. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  const top = dirname(resolve(first))
  for (let created = resolve(path); created !== top; created = dirname(created))
    await syncDirectory(dirname(created))
}

/**
 * Runs work on files and maps file system errors to errors of the port: a full disk or quota, and no free file
 * descriptors (of the process or of the system). Other errors are rethrown unchanged.
 * @throws {StorageFull}
 * @throws {StoreBusy}
 */
export async function mapFileErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new StorageFull('the disk is full or a quota is reached', { cause: error })
    if (code === 'EMFILE' || code === 'ENFILE')
      throw new StoreBusy('no file descriptors are left', { cause: error })
    throw error
  }
}

/** The result of work on a file; `undefined` if the file does not exist. */
export async function ignoreNotFound<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
