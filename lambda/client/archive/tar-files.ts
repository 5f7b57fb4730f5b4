import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, type Header } from 'tar-stream'
import type { ByteRange } from '../../protocol/ranges.ts'
import { ClientError, reasonOf } from '../client-error.ts'
import type { Bytes } from '../registry/transport.ts'
import { compressionOf, decompress, MAGIC_LENGTH } from './compression.ts'
import type { FileSet } from './file-set.ts'
import { readRange, ScratchFile } from './scratch-file.ts'

interface Entry {
  /** Place of the first byte in the archive. */
  readonly offset: number
  readonly size: number
}

export interface TarInput {
  /** For messages: a path, or "standard input". */
  readonly name: string
  /** Path of a file, or a stream of unknown length. */
  readonly from: string | Bytes
  /** Folder for temporary files. */
  readonly scratch: string
  /** Hears how many bytes were read of a stream or a compressed archive. */
  readonly progress?: (bytes: number) => void
  readonly signal?: AbortSignal | undefined
}

/** Far above any image. It bounds the memory that a hostile archive takes. */
const MAX_ENTRIES = 100_000
/** A chain of links in an archive. */
const MAX_LINKS = 16

/**
 * The files of a tar archive. Nothing is extracted: the archive is read once to find where each file begins, so that a damaged one fails
 * before anything is done with it. A stream and a compressed archive are copied to a temporary file first.
 */
export class TarFiles implements FileSet {
  readonly name: string
  readonly #handle: FileHandle
  readonly #close: () => Promise<void>
  readonly #entries = new Map<string, Entry>()
  /** Symbolic and hard links, which `docker save` uses for layers that are equal. */
  readonly #links = new Map<string, string>()

  /** @throws {ClientError} for anything but a complete tar archive */
  static async open(input: TarInput): Promise<TarFiles> {
    const { handle, close } = await openSeekable(input)
    const files = new TarFiles(input.name, handle, close)
    try {
      await files.#index(input.signal)
      return files
    } catch (error) {
      await close()
      throw error
    }
  }

  private constructor(name: string, handle: FileHandle, close: () => Promise<void>) {
    this.name = name
    this.#handle = handle
    this.#close = close
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  async size(path: string): Promise<number | undefined> {
    return this.#find(path)?.size
  }

  async *open(path: string, range?: ByteRange): Bytes {
    const entry = this.#find(path)
    if (!entry) throw new ClientError(`${this.name} has no ${path}`)
    const { first, last } = range ?? { first: 0, last: entry.size - 1 }
    yield* readRange(this.#handle, { first: entry.offset + first, last: entry.offset + last })
  }

  close(): Promise<void> {
    return this.#close()
  }

  #find(path: string): Entry | undefined {
    let name = posix.normalize(path)
    for (let links = 0; links < MAX_LINKS; links++) {
      const target = this.#links.get(name)
      if (target === undefined) break
      name = target
    }
    return this.#entries.get(name)
  }

  async #index(signal: AbortSignal | undefined): Promise<void> {
    const reader = extract()
    reader.on('entry', (header, content, next) => {
      content.on('error', () => {}) // the archive reports it
      try {
        this.#add(header)
        content.on('end', next)
        content.resume()
      } catch (error) {
        next(error as Error)
      }
    })
    const { size } = await this.#handle.stat()
    const bytes = Readable.from(readRange(this.#handle, { first: 0, last: size - 1 }), { objectMode: false })
    try {
      await pipeline(bytes, reader, { ...(signal && { signal }) })
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof ClientError) throw error
      const { message } = error as Error
      if (message === 'Unexpected end of data')
        throw new ClientError(`${this.name} is cut off: it ends within a file`)
      if (message.startsWith('Invalid tar header')) throw new ClientError(`${this.name} is not a tar archive`)
      throw new ClientError(`${this.name} is not a valid tar archive: ${reasonOf(error)}`)
    }
  }

  #add(header: Header): void {
    const { type, linkname, size = 0 } = header
    const name = this.#inside(header.name, header.name)
    if (this.#entries.size + this.#links.size >= MAX_ENTRIES)
      throw new ClientError(`${this.name} has more than ${MAX_ENTRIES} files`)
    if (type === 'symlink')
      this.#links.set(name, this.#inside(posix.join(posix.dirname(name), linkname ?? ''), name))
    else if (type === 'link') this.#links.set(name, this.#inside(linkname ?? '', name))
    else if (type === 'file' || type === 'contiguous-file') {
      this.#links.delete(name)
      this.#entries.set(name, { offset: offsetOf(header), size })
    }
  }

  #inside(path: string, entry: string): string {
    const normal = posix.normalize(path)
    const hasDots = path === entry && path.split('/').includes('..')
    if (posix.isAbsolute(normal) || normal.startsWith('..') || hasDots)
      throw new ClientError(`${this.name} has an entry that leads out of it: ${JSON.stringify(entry)}`)
    return normal
  }
}

/** tar-stream sets it; its types do not name it. */
function offsetOf(header: Header & { readonly byteOffset?: number }): number {
  return header.byteOffset ?? 0
}

async function openSeekable(input: TarInput): Promise<{ handle: FileHandle; close: () => Promise<void> }> {
  const { from, name } = input
  if (typeof from !== 'string') return spool(input, from)
  const handle = await open(from, constants.O_RDONLY).catch(error => {
    throw new ClientError(
      `cannot read ${name}: ${error.code === 'ENOENT' ? 'it does not exist' : reasonOf(error)}`,
    )
  })
  const head = Buffer.alloc(MAGIC_LENGTH)
  const isFile = (await handle.stat()).isFile()
  if (isFile) await handle.read(head, 0, MAGIC_LENGTH, 0)
  if (isFile && compressionOf(head) === undefined) return { handle, close: () => handle.close() }
  try {
    return await spool(input, handle.createReadStream({ autoClose: false, ...(isFile && { start: 0 }) }))
  } finally {
    await handle.close()
  }
}

async function spool({ name, scratch, progress, signal }: TarInput, bytes: Bytes) {
  const file = await ScratchFile.open(scratch)
  try {
    for await (const piece of decompress(bytes, name)) {
      signal?.throwIfAborted()
      await file.append(piece)
      progress?.(file.size)
    }
    return { handle: file.handle, close: () => file.close() }
  } catch (error) {
    await file.close()
    signal?.throwIfAborted()
    throw error instanceof ClientError ? error : new ClientError(`cannot read ${name}: ${reasonOf(error)}`)
  }
}
