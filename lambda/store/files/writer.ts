import type { Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Bytes } from '../blobs.ts'
import { mapDiskFull } from './durable.ts'

/** Small enough for flat memory with many writers, large enough that a system call and a thread switch do not show. */
const BATCH = 1024 * 1024
/** Of a client that trickles. More buffers than this go into no one system call anyway (Linux's IOV_MAX). */
const MOST_PIECES = 1024

/**
 * Writes bytes at a position, hashing them on the way. While a batch is being written the next one is received and
 * hashed, and no more than these two are ever held. Not yet durable when it resolves.
 * @returns the position behind the last byte
 * @throws {StorageFull}, or the very error that `bytes` threw. No write is under way any more.
 */
export async function writeBytes(file: FileHandle, from: number, bytes: Bytes, hash: Hash): Promise<number> {
  let position = from
  let batch: Uint8Array[] = []
  let size = 0
  let writing = Promise.resolve()

  const flush = async () => {
    const earlier = writing
    const [pieces, start] = [batch, position]
    writing = mapDiskFull(() => writeBatch(file, pieces, start))
    // It is awaited later; until then a failure must not count as unhandled.
    writing.catch(() => {})
    position += size
    batch = []
    size = 0
    await earlier
  }

  try {
    for await (const piece of bytes) {
      hash.update(piece)
      batch.push(piece)
      size += piece.length
      if (size >= BATCH || batch.length >= MOST_PIECES) await flush()
    }
    await flush()
    await writing
    return position
  } catch (error) {
    await writing.catch(() => {})
    throw error
  }
}

/** A write may be cut short, most often just before the disk is full. */
async function writeBatch(file: FileHandle, batch: readonly Uint8Array[], start: number): Promise<void> {
  let position = start
  let rest = batch.filter(piece => piece.length > 0)
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, position)
    position += bytesWritten
    rest = without(rest, bytesWritten)
  }
}

function without(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count
  const rest = pieces.findIndex(piece => {
    if (piece.length > left) return true
    left -= piece.length
    return false
  })
  if (rest === -1) return []
  const [first, ...others] = pieces.slice(rest) as [Uint8Array, ...Uint8Array[]]
  return [first.subarray(left), ...others]
}
