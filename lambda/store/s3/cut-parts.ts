import type { Bytes } from '../blobs.ts'
import type { PartSender, Send } from './part-sender.ts'
import { planParts } from './plan-parts.ts'
import type { Hasher } from './resumable-hash.ts'

/** The bytes of a draft, as far as an append needs them. */
interface CutBytes {
  /** The number of all bytes. */
  readonly size: number
  /** The bytes after the full parts, which do not fill a part yet. */
  readonly tail: Buffer
}

/**
 * Cuts the tail of a draft and the bytes that follow it into parts, and sends each part when it is full. Resolves when
 * all full parts have arrived. When it rejects, no request is in progress.
 * @param hash is updated with every new byte
 * @param prepare prepares the request that sends a part; called in the order of the part numbers
 */
export async function cutParts(
  before: CutBytes,
  bytes: Bytes,
  hash: Hasher | undefined,
  sender: PartSender,
  prepare: (number: number, body: Buffer) => Promise<Send>,
): Promise<CutBytes> {
  let { size } = before
  let filled = before.tail.length
  try {
    let buffer = await sender.buffer(planParts(size).next)
    buffer.set(before.tail)
    for await (const piece of bytes) {
      hash?.update(piece)
      for (let from = 0; from < piece.length; ) {
        const slice = piece.subarray(from, from + buffer.length - filled)
        buffer.set(slice, filled)
        from += slice.length
        filled += slice.length
        size += slice.length
        if (filled < buffer.length) continue
        const { parts, next } = planParts(size)
        sender.send(buffer, await prepare(parts, buffer))
        buffer = await sender.buffer(next)
        filled = 0
      }
    }
    await sender.finish()
    return { size, tail: buffer.subarray(0, filled) }
  } catch (error) {
    await sender.abort()
    throw error
  }
}
