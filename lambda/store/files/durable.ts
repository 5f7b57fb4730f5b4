import { mkdir, open } from 'node:fs/promises'
import { platform } from 'node:os'
import { dirname, resolve } from 'node:path'
import { StorageFull, StoreBusy } from '../blobs.ts'

/** Makes what was created in, renamed into or removed from a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directory, and journals its entries by itself.
  if (platform() === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** A directory and the way to it, durably. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  const top = dirname(resolve(first))
  for (let made = resolve(path); made !== top; made = dirname(made)) await syncDirectory(dirname(made))
}

/**
 * Maps the errors of the file system that the port has a name for: no room left, and no file descriptors left (of the process or of
 * the system). Other errors pass as they are.
 */
export async function mapDiskFull<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new StorageFull('no room left on the disk', { cause: error })
    if (code === 'EMFILE' || code === 'ENFILE')
      throw new StoreBusy('no file descriptors left', { cause: error })
    throw error
  }
}

/** The result of work on a file, or `undefined` when there is no such file. */
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
