const MiB = 2 ** 20

/**
 * How large the parts of a multipart upload are, in the order of their numbers. S3 takes 10,000 parts of 5 MiB to 5 GiB,
 * and only the last may be smaller. Small parts first: two chunks of what Lambda takes (4 MiB) make one. Larger ones
 * behind, so that ten thousand reach 5 TiB.
 */
const TIERS = [
  { count: 2_000, size: 8 * MiB }, // up to 15.6 GiB
  { count: 6_000, size: 32 * MiB }, // up to 203 GiB
  { count: 1_000, size: 256 * MiB }, // up to 453 GiB
  { count: 1_000, size: 4_864 * MiB }, // up to 5.08 TiB
] as const

export const MAX_OBJECT_BYTES = TIERS.reduce((sum, { count, size }) => sum + count * size, 0)

/** Where the bytes of a draft are, as far as their number alone says. */
interface Plan {
  /** How many full parts there are: the numbers 1 to `parts`. */
  readonly parts: number
  /** How many bytes follow them, fewer than the next part takes. */
  readonly rest: number
  /** How many bytes the next part takes; `undefined` behind the last part that S3 allows. */
  readonly next: number | undefined
}

/**
 * The cut depends on nothing but the number of bytes, and not on how they came. So whoever goes on with a draft cuts it
 * alike, and a draft need not say how large its parts are.
 * @throws {RangeError} for more bytes than {@link MAX_OBJECT_BYTES}
 */
export function planParts(bytes: number): Plan {
  let parts = 0
  let rest = bytes
  for (const { count, size } of TIERS) {
    if (rest < count * size) return { parts: parts + Math.floor(rest / size), rest: rest % size, next: size }
    parts += count
    rest -= count * size
  }
  if (rest > 0) throw new RangeError(`${bytes} bytes are more than an object holds`)
  return { parts, rest: 0, next: undefined }
}
