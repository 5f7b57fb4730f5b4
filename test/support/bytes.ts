import { createHash } from 'node:crypto'
import { type Algorithm, type Digest, digestOf } from '../../lambda/protocol/digest.ts'
import type { Bytes } from '../../lambda/store/blobs.ts'

/** A stream of these pieces. */
export async function* bytesOf(...pieces: readonly (string | Uint8Array)[]): Bytes {
  for (const piece of pieces) yield typeof piece === 'string' ? Buffer.from(piece) : piece
}

/** A stream of these pieces that then throws the error. */
export async function* bytesThenError(error: unknown, ...pieces: readonly (string | Uint8Array)[]): Bytes {
  yield* bytesOf(...pieces)
  throw error
}

/** Reads a stream to its end. It copies each piece, because a piece is valid only until the next one is requested. */
export async function collect(bytes: Bytes): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of bytes) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

export function digestBytes(algorithm: Algorithm, bytes: Uint8Array | string): Digest {
  return digestOf(algorithm, createHash(algorithm).update(bytes).digest('hex'))
}

/** Pseudorandom bytes, the same for the same seed. A missing, repeated or misplaced piece changes them. */
export function patternBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = Math.imul(seed, 2654435761) | 1
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    bytes[at] = state >>> 24
  }
  return bytes
}

/** A body that pauses after its first bytes. `arrived` resolves when these were read, and `go` sends the rest. */
export function pausedBody(first: string, rest: string) {
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
