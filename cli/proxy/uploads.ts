import { createHash, type Hash, randomUUID } from 'node:crypto'
import { ScratchFile } from '../../lambda/client/archive/scratch-file.ts'
import { ClientError } from '../../lambda/client/client-error.ts'
import type { UploadSession as Upstream } from '../../lambda/client/registry/upload.ts'
import { algorithmOf, type Digest, digestOf } from '../../lambda/protocol/digest.ts'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import type { ByteRange } from '../../lambda/protocol/ranges.ts'
import { formatBytes } from '../progress/units.ts'

interface UploadsOptions {
  /** Folder for temporary files. */
  readonly scratch: string
  /** What all temporary files together may hold, in bytes. */
  readonly space: number
}

/** An upload that a client has begun and not closed. */
export interface ProxyUpload {
  readonly id: string
  readonly repository: string
  /** The session that the registry began for it. */
  readonly upstream: Upstream
  /** Bytes. */
  readonly size: number
}

interface Held extends ProxyUpload {
  size: number
  file: ScratchFile | undefined
  readonly hash: Hash
  isBusy: boolean
  /** Milliseconds since 1970. */
  usedAt: number
}

/** An upload on which nothing happens for so long is dropped. Milliseconds. */
const IDLE = 30 * 60_000

/** The bytes of uploads, in temporary files without names. */
export class ProxyUploads {
  readonly #options: UploadsOptions
  readonly #held = new Map<string, Held>()
  readonly #sweep: NodeJS.Timeout
  #used = 0

  constructor(options: UploadsOptions) {
    this.#options = options
    this.#sweep = setInterval(() => void this.dropIdle(Date.now() - IDLE), 60_000).unref()
  }

  /** Bytes in temporary files. */
  get used(): number {
    return this.#used
  }

  begin(repository: string, upstream: Upstream): ProxyUpload {
    const id = randomUUID()
    const hash = createHash('sha256')
    const held = {
      id,
      repository,
      upstream,
      size: 0,
      file: undefined,
      hash,
      isBusy: false,
      usedAt: Date.now(),
    }
    this.#held.set(id, held)
    return held
  }

  /** @throws {RegistryError} BLOB_UPLOAD_UNKNOWN */
  find(id: string, repository: string): ProxyUpload {
    return this.#find(id, repository)
  }

  /**
   * Runs one operation on an upload; a second one at the same time is refused.
   * @throws {RegistryError} BLOB_UPLOAD_UNKNOWN, BLOB_UPLOAD_INVALID
   */
  async use<T>(id: string, repository: string, operation: (upload: ProxyUpload) => Promise<T>): Promise<T> {
    const held = this.#find(id, repository)
    if (held.isBusy)
      throw new RegistryError('BLOB_UPLOAD_INVALID', {
        message: 'another request of this upload is in progress',
      })
    held.isBusy = true
    try {
      return await operation(held)
    } finally {
      held.isBusy = false
      held.usedAt = Date.now()
    }
  }

  /**
   * Appends and hashes a chunk.
   * @throws {RegistryError} RANGE_INVALID for a chunk out of order, INSUFFICIENT_STORAGE where the space or the disk is full. The upload is
   * dropped then, and where the client goes away in a chunk without a range
   */
  async append(
    { id, repository }: ProxyUpload,
    bytes: AsyncIterable<Uint8Array>,
    range?: ByteRange,
  ): Promise<void> {
    const held = this.#find(id, repository)
    if (range && range.first !== held.size)
      throw new RegistryError('RANGE_INVALID', { message: `the next chunk must begin at byte ${held.size}` })
    try {
      held.file ??= await ScratchFile.open(this.#options.scratch)
      for await (const piece of bytes) {
        this.#reserve(piece.length)
        held.size += piece.length
        held.hash.update(piece)
        await held.file.append(piece)
      }
    } catch (error) {
      const isBrokenChunk = range && !(error instanceof RegistryError || error instanceof ClientError)
      // A client that sends ranges can ask how much arrived and go on.
      if (!isBrokenChunk) await this.drop(id)
      if (!(error instanceof ClientError)) throw error
      throw new RegistryError('INSUFFICIENT_STORAGE', { message: error.message, cause: error })
    }
  }

  /** The digest of what has arrived. */
  async digest({ id, repository }: ProxyUpload, expected: Digest): Promise<Digest> {
    const { hash, file } = this.#find(id, repository)
    if (algorithmOf(expected) === 'sha256') return digestOf('sha256', hash.copy().digest('hex'))
    const other = createHash('sha512')
    if (file) for await (const piece of file.read()) other.update(piece)
    return digestOf('sha512', other.digest('hex'))
  }

  read({ id, repository }: ProxyUpload, range?: ByteRange): AsyncIterable<Uint8Array> {
    const { file } = this.#find(id, repository)
    return file ? file.read(range) : nothing()
  }

  /** Frees the space of an upload. One that is gone already is ignored. */
  async drop(id: string): Promise<void> {
    const held = this.#held.get(id)
    if (!held) return
    this.#held.delete(id)
    this.#used -= held.size
    await held.file?.close()
  }

  /** @param before milliseconds since 1970 */
  async dropIdle(before: number): Promise<void> {
    for (const { id, isBusy, usedAt } of [...this.#held.values()])
      if (!isBusy && usedAt < before) await this.drop(id)
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep)
    for (const id of [...this.#held.keys()]) await this.drop(id)
  }

  #find(id: string, repository: string): Held {
    const held = this.#held.get(id)
    if (held?.repository === repository) return held
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
  }

  #reserve(bytes: number): void {
    const { space } = this.#options
    if (this.#used + bytes > space)
      throw new RegistryError('INSUFFICIENT_STORAGE', {
        message: `the proxy holds at most ${formatBytes(space)} of uploads in temporary files: --space raises it`,
      })
    this.#used += bytes
  }
}

async function* nothing(): AsyncIterable<Uint8Array> {}
