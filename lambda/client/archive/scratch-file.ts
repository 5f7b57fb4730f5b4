import { type FileHandle, mkdtemp, open, rm, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { ByteRange } from '../../protocol/ranges.ts'
import { ClientError, reasonOf } from '../client-error.ts'
import type { Bytes } from '../registry/transport.ts'

/** A temporary file that has no name once it is open, so that it is gone however the process ends. */
export class ScratchFile {
  readonly handle: FileHandle
  readonly #folder: string
  readonly #hasName: boolean
  #size = 0

  /** @param parent folder for temporary files */
  static async open(parent: string): Promise<ScratchFile> {
    try {
      const folder = await mkdtemp(join(parent, 'longshore-'))
      const path = join(folder, 'scratch')
      const handle = await open(path, 'wx+', 0o600)
      // Windows keeps the name as long as the file is open.
      const isNameless = await unlink(path)
        .then(() => rmdir(folder))
        .then(() => true)
        .catch(() => false)
      return new ScratchFile(handle, folder, !isNameless)
    } catch (cause) {
      throw cannotWrite(parent, cause)
    }
  }

  private constructor(handle: FileHandle, folder: string, hasName: boolean) {
    this.handle = handle
    this.#folder = folder
    this.#hasName = hasName
  }

  /** Bytes. */
  get size(): number {
    return this.#size
  }

  /** @throws {ClientError} where the disk is full */
  async append(piece: Uint8Array): Promise<void> {
    try {
      for (let written = 0; written < piece.length; ) {
        const { bytesWritten } = await this.handle.write(piece, written, piece.length - written, this.#size)
        written += bytesWritten
        this.#size += bytesWritten
      }
    } catch (cause) {
      throw cannotWrite(this.#folder, cause)
    }
  }

  read(range?: ByteRange): Bytes {
    return readRange(this.handle, range ?? { first: 0, last: this.#size - 1 })
  }

  async close(): Promise<void> {
    await this.handle.close()
    if (this.#hasName) await rm(this.#folder, { recursive: true, force: true })
  }
}

function cannotWrite(folder: string, cause: unknown): ClientError {
  return new ClientError(
    `cannot write a temporary file to ${folder}: ${reasonOf(cause)}; TMPDIR can name another folder`,
    { cause },
  )
}

/** Measured: larger pieces make the heap of the process grow by up to 60 MB, and are not faster. */
const PIECE = 32 * 1024

/** Reads a range of a file. Several readers do not disturb each other. */
export async function* readRange(handle: FileHandle, { first, last }: ByteRange): Bytes {
  for (let at = first; at <= last; ) {
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, last - at + 1))
    const { bytesRead } = await handle.read(piece, 0, piece.length, at)
    if (bytesRead === 0) return
    yield piece.subarray(0, bytesRead)
    at += bytesRead
  }
}
