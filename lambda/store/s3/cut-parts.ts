import type { Bytes } from '../blobs.ts'
import type { PartSender, Send } from './part-sender.ts'
import { planParts } from './plan-parts.ts'
import type { Hasher } from './resumable-hash.ts'

/** What is ready to take more bytes: their number so far, and those that do not fill a part yet. */
interface Cut {
  readonly size: number
  readonly rest: Buffer
}

/**
 * Puts bytes behind what is there and hands each part to the sender as soon as it is full. Resolves when all of them
 * have arrived, and nothing is under way when it rejects.
 * @param hash is told every byte
 * @param full says how to send a part, in the order of their numbers
 */
export async function cutParts(
  before: Cut,
  bytes: Bytes,
  hash: Hasher | undefined,
  sender: PartSender,
  full: (number: number, body: Buffer) => Promise<Send>,
): Promise<Cut> {
  let { size } = before
  let filled = before.rest.length
  try {
    let buffer = await sender.buffer(planParts(size).next)
    buffer.set(before.rest)
    for await (const piece of bytes) {
      hash?.update(piece)
      for (let from = 0; from < piece.length; ) {
        const some = piece.subarray(from, from + buffer.length - filled)
        buffer.set(some, filled)
        from += some.length
        filled += some.length
        size += some.length
        if (filled < buffer.length) continue
        const { parts, next } = planParts(size)
        sender.send(buffer, await full(parts, buffer))
        buffer = await sender.buffer(next)
        filled = 0
      }
    }
    await sender.finish()
    return { size, rest: buffer.subarray(0, filled) }
  } catch (error) {
    await sender.abort()
    throw error
  }
}
