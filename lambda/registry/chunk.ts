import { RegistryError } from '../protocol/errors.ts'
import type { ByteRange } from '../protocol/ranges.ts'
import type { Bytes } from '../store/blobs.ts'

/** Bytes that a request adds to an upload session. */
export interface Chunk {
  readonly bytes: Bytes
  /** Their place in the blob (`Content-Range`). Without it, they follow the bytes that the session holds. */
  readonly range?: ByteRange
}

/**
 * SIZE_INVALID: the chunk is not as long as its Content-Range says.
 * @param expected the length of the range
 * @param actual the length of the chunk: `length` as its header says, or `sent` as received
 */
export function wrongLength(
  expected: number,
  actual: { readonly sent: number } | { readonly length: number },
): RegistryError {
  const message = `Content-Range says ${expected} bytes, the body has ${Object.values(actual)[0]}`
  return new RegistryError('SIZE_INVALID', { message, detail: { said: expected, ...actual } })
}

/** Reads a chunk that is not needed, so that a client that is still sending receives the response. */
export async function drain(chunk?: Chunk): Promise<void> {
  if (chunk) for await (const _ of chunk.bytes);
}
