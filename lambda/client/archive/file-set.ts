import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ByteRange } from '../../protocol/ranges.ts'
import { ClientError, reasonOf } from '../client-error.ts'
import type { Bytes } from '../registry/transport.ts'

/** Files by name: those of a folder, or of a tar archive. */
export interface FileSet {
  /** For messages. */
  readonly name: string
  /** Bytes; undefined where there is no such file. */
  size(path: string): Promise<number | undefined>
  /** @throws {ClientError} where there is no such file */
  open(path: string, range?: ByteRange): Bytes
  close(): Promise<void>
}

/** The files of a folder. Callers build the paths of digests, so none can lead out of it. */
export class FolderFiles implements FileSet {
  readonly name: string
  readonly #folder: string

  constructor(folder: string, name = folder) {
    this.name = name
    this.#folder = folder
  }

  async size(path: string): Promise<number | undefined> {
    const found = await stat(join(this.#folder, path)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      throw new ClientError(`cannot read ${path} of ${this.name}: ${reasonOf(error)}`)
    })
    return found?.isFile() ? found.size : undefined
  }

  async *open(path: string, range?: ByteRange): Bytes {
    const options = range ? { start: range.first, end: range.last } : {}
    try {
      yield* createReadStream(join(this.#folder, path), options)
    } catch (error) {
      throw new ClientError(`cannot read ${path} of ${this.name}: ${reasonOf(error)}`)
    }
  }

  async close(): Promise<void> {}
}

/** Reads a small file. @throws {ClientError} where it is absent or larger than `limit` bytes */
export async function readFile(files: FileSet, path: string, limit: number): Promise<Buffer> {
  const size = await files.size(path)
  if (size === undefined) throw new ClientError(`${files.name} has no ${path}`)
  if (size > limit) throw new ClientError(`${path} of ${files.name} is larger than ${limit} bytes`)
  const pieces: Uint8Array[] = []
  for await (const piece of files.open(path)) pieces.push(piece)
  return Buffer.concat(pieces)
}

const MAX_JSON = 16 * 1024 * 1024

/** @throws {ClientError} where the file is absent or not JSON */
export async function readJson(files: FileSet, path: string): Promise<unknown> {
  const bytes = await readFile(files, path, MAX_JSON)
  try {
    return JSON.parse(bytes.toString())
  } catch {
    throw new ClientError(`${path} of ${files.name} is not JSON`)
  }
}
