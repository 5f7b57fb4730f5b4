import { createCipheriv, createHash } from 'node:crypto'

const BATCH = 1 << 20

/** Bytes that no compression makes smaller, the same for the same seed. They come at memory speed. */
export function* randomBatches(seed: string, size: number): Generator<Buffer<ArrayBuffer>> {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(Math.min(BATCH, size))
  for (let made = 0; made < size; made += BATCH)
    yield cipher.update(zeros.subarray(0, Math.min(BATCH, size - made))) as Buffer<ArrayBuffer>
}

export function randomBytesOf(seed: string, size: number): Buffer<ArrayBuffer> {
  return Buffer.concat([...randomBatches(seed, size)])
}

export type Algorithm = 'sha256' | 'sha512'

/** The digest of bytes, computed apart from the code under test. */
export function digestOf(
  batches: Uint8Array | Iterable<Uint8Array>,
  algorithm: Algorithm = 'sha256',
): string {
  const hash = createHash(algorithm)
  for (const batch of batches instanceof Uint8Array ? [batches] : batches) hash.update(batch)
  return `${algorithm}:${hash.digest('hex')}`
}
