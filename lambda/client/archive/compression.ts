import { Readable } from 'node:stream'
import * as zlib from 'node:zlib'
import { ClientError, reasonOf } from '../client-error.ts'
import type { Bytes } from '../registry/transport.ts'

export type Compression = 'gzip' | 'zstd' | 'xz' | 'bzip2'

const MAGIC: readonly (readonly [Compression, string])[] = [
  ['gzip', '1f8b'],
  ['zstd', '28b52ffd'],
  ['xz', 'fd377a585a00'],
  ['bzip2', '425a68'],
]
export const MAGIC_LENGTH = 6

/** @param head the first bytes. @returns undefined for content that is not compressed */
export function compressionOf(head: Uint8Array): Compression | undefined {
  const hex = Buffer.from(head.subarray(0, MAGIC_LENGTH)).toString('hex')
  return MAGIC.find(([, magic]) => hex.startsWith(magic))?.[0]
}

/**
 * Decompresses gzip and zstd, and passes on what is not compressed.
 * @param name of the content, for messages
 * @throws {ClientError} for other compressions, and for damaged content
 */
export async function* decompress(bytes: Bytes, name: string): Bytes {
  const [head, all] = await peek(bytes)
  const compression = compressionOf(head)
  if (compression === undefined) {
    yield* all
    return
  }
  const decompressor = decompressorOf(compression, name)
  const source = Readable.from(all, { objectMode: false })
  source.on('error', error => decompressor.destroy(error))
  try {
    yield* source.pipe(decompressor)
  } catch (error) {
    if (error instanceof ClientError) throw error
    throw new ClientError(`${name} is damaged: ${reasonOf(error)}`)
  } finally {
    source.destroy()
  }
}

function decompressorOf(compression: Compression, name: string): zlib.Gunzip | zlib.ZstdDecompress {
  if (compression === 'gzip') return zlib.createGunzip()
  // Node has it from 22.15 on.
  if (compression === 'zstd' && typeof zlib.createZstdDecompress === 'function')
    return zlib.createZstdDecompress()
  throw new ClientError(`${name} is compressed with ${compression}: decompress it first`)
}

/** The first bytes, and all of them. */
async function peek(bytes: Bytes): Promise<[head: Buffer, all: Bytes]> {
  const iterator = bytes[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  let next = await iterator.next()
  while (!next.done) {
    head = Buffer.concat([head, next.value])
    if (head.length >= MAGIC_LENGTH) break
    next = await iterator.next()
  }
  async function* all(): Bytes {
    try {
      yield head
      for (let piece = await iterator.next(); !piece.done; piece = await iterator.next()) yield piece.value
    } finally {
      await iterator.return?.()
    }
  }
  return [head, all()]
}
