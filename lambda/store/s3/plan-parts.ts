const MiB = 2 ** 20

/**
 * The sizes of the parts of a multipart upload, in the order of the part numbers. S3 accepts up to 10,000 parts of 5
 * MiB to 5 GiB; only the last part may be smaller. The first parts are small: two request bodies of the size that
 * Lambda accepts (4 MiB) fill one. Later parts are larger, so that 10,000 parts reach 5 TiB.
 */
const TIERS = [
  { count: 2_000, size: 8 * MiB }, // up to 15.6 GiB
  { count: 6_000, size: 32 * MiB }, // up to 203 GiB
  { count: 1_000, size: 256 * MiB }, // up to 453 GiB
  { count: 1_000, size: 4_864 * MiB }, // up to 5.08 TiB
] as const

/** The size of the largest object. */
export const MAX_OBJECT_BYTES = TIERS.reduce((sum, { count, size }) => sum + count * size, 0)

/** How the bytes of a draft are divided into parts. */
interface Plan {
  /** The number of full parts. They have the part numbers 1 to `parts`. */
  readonly parts: number
  /** The number of bytes after the full parts, smaller than `next`. */
  readonly tail: number
  /** The size of the next part in bytes; `undefined` after the last part that S3 allows. */
  readonly next: number | undefined
}

/**
 * Divides a number of bytes into parts. The result depends on nothing else, so every process that resumes a draft cuts
 * it in the same way, and a draft need not store the sizes of its parts.
 * @throws {RangeError} for more bytes than {@link MAX_OBJECT_BYTES}
 */
export function planParts(bytes: number): Plan {
  let parts = 0
  let tail = bytes
  for (const { count, size } of TIERS) {
    if (tail < count * size) return { parts: parts + Math.floor(tail / size), tail: tail % size, next: size }
    parts += count
    tail -= count * size
  }
  if (tail > 0) throw new RangeError(`an object must have at most ${MAX_OBJECT_BYTES} bytes, not ${bytes}`)
  return { parts, tail: 0, next: undefined }
}
