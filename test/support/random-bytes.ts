import { createCipheriv, createHash } from 'node:crypto'

const BATCH_SIZE = 1 << 20

/** Generates incompressible bytes, the same for the same seed, in batches of up to 1 MiB. */
export function* randomBatches(seed: string, size: number): Generator<Buffer<ArrayBuffer>> {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(Math.min(BATCH_SIZE, size))
  for (let position = 0; position < size; position += BATCH_SIZE)
    yield cipher.update(zeros.subarray(0, Math.min(BATCH_SIZE, size - position))) as Buffer<ArrayBuffer>
}

export function randomBytesOf(seed: string, size: number): Buffer<ArrayBuffer> {
  return Buffer.concat([...randomBatches(seed, size)])
}

export type Algorithm = 'sha256' | 'sha512'

/** The digest of bytes, computed independently of the code under test. */
export function digestOf(
  batches: Uint8Array | Iterable<Uint8Array>,
  algorithm: Algorithm = 'sha256',
): string {
  const hash = createHash(algorithm)
  for (const batch of batches instanceof Uint8Array ? [batches] : batches) hash.update(batch)
  return `${algorithm}:${hash.digest('hex')}`
}
