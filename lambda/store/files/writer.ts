import type { Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Bytes } from '../blobs.ts'
import { mapFileErrors } from './durable.ts'

/**
 * In bytes. Small enough for many writers, and large enough that the cost of a system call and a thread switch is
 * negligible.
 */
const BATCH_SIZE = 1024 * 1024
/**
 * Maximum number of pieces in a batch, for clients that send very small ones. One system call takes no more buffers
 * (Linux's IOV_MAX).
 */
const MAX_PIECES = 1024

/**
 * Writes bytes to a file from a position on, and hashes them. While a batch is written, the next one is received and
 * hashed; no more than these two are in memory. The bytes are not durable yet when the promise resolves. No write is in
 * progress when it settles.
 * @returns the position after the last byte
 * @throws {StorageFull}
 * @throws the same error that `bytes` threw
 */
export async function writeBytes(file: FileHandle, from: number, bytes: Bytes, hash: Hash): Promise<number> {
  let position = from
  let batch: Uint8Array[] = []
  let size = 0
  let writing = Promise.resolve()

  const flush = async () => {
    const earlier = writing
    const [pieces, start] = [batch, position]
    writing = mapFileErrors(() => writeBatch(file, pieces, start))
    // It is awaited later. Until then Node must not report a failure as an unhandled rejection.
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
      if (size >= BATCH_SIZE || batch.length >= MAX_PIECES) await flush()
    }
    await flush()
    await writing
    return position
  } catch (error) {
    await writing.catch(() => {})
    throw error
  }
}

/** Writes a batch completely. A single `writev` may write less, most often just before the disk is full. */
async function writeBatch(file: FileHandle, batch: readonly Uint8Array[], start: number): Promise<void> {
  let position = start
  let rest = batch.filter(piece => piece.length > 0)
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, position)
    position += bytesWritten
    rest = dropBytes(rest, bytesWritten)
  }
}

/** The pieces without their first `count` bytes. */
function dropBytes(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count
  const start = pieces.findIndex(piece => {
    if (piece.length > left) return true
    left -= piece.length
    return false
  })
  if (start === -1) return []
  const [first, ...others] = pieces.slice(start) as [Uint8Array, ...Uint8Array[]]
  return [first.subarray(left), ...others]
}
