import { createHash } from 'node:crypto'
import { type Algorithm, type Digest, digestOf } from '../../lambda/protocol/digest.ts'
import type { Bytes } from '../../lambda/store/blobs.ts'

export async function* bytesOf(...pieces: readonly (string | Uint8Array)[]): Bytes {
  for (const piece of pieces) yield typeof piece === 'string' ? Buffer.from(piece) : piece
}

/** Yields the pieces, then throws. */
export async function* breaking(error: unknown, ...pieces: readonly (string | Uint8Array)[]): Bytes {
  yield* bytesOf(...pieces)
  throw error
}

/** Copies each piece, since it is valid only until the next is asked for. */
export async function collect(bytes: Bytes): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of bytes) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

export function digestBytes(algorithm: Algorithm, bytes: Uint8Array | string): Digest {
  return digestOf(algorithm, createHash(algorithm).update(bytes).digest('hex'))
}

/** Bytes that differ from place to place, so that a piece that is missing, doubled or misplaced shows. */
export function madeBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = Math.imul(seed, 2654435761) | 1
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    bytes[at] = state >>> 24
  }
  return bytes
}

/** A body that stands still behind its first bytes until it is let go. */
export function held(first: string, rest: string) {
  const gate = Promise.withResolvers<void>()
  const arrived = Promise.withResolvers<void>()
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(first)
    arrived.resolve()
    await gate.promise
    yield Buffer.from(rest)
  }
  return { body: body(), arrived: arrived.promise, go: () => gate.resolve() }
}
