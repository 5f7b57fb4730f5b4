/**
 * The cost parameters of scrypt. A hash takes `128 * N * r` bytes of memory and fills them `p` times (RFC 7914, section
 * 2).
 */
export interface ScryptCost {
  /** A power of two. */
  readonly N: number
  readonly r: number
  readonly p: number
}

export interface ScryptHash {
  readonly cost: ScryptCost
  readonly salt: Buffer
  readonly hash: Buffer
}

/**
 * Limits of a stored hash. Without them, a row that was edited by hand could exhaust the memory or the processor.
 * Bytes.
 */
const MAX_MEMORY = 128 * 2 ** 20
/** `N * r * p`. */
const MAX_WORK = 2 ** 24
/** Of a salt, and of a hash. */
const MAX_BYTES = 64
const MIN_HASH_BYTES = 16

const PHC = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/
/** The format of versions before 0.2. */
const EARLIER = /^scrypt\$(\d{1,10})\$(\d{1,3})\$(\d{1,3})\$([\w-]+)\$([\w-]+)$/
/** The bcrypt format of htpasswd, with a cost of 4 to 14. */
const BCRYPT = /^\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/

/** Formats a hash as a PHC string: `$scrypt$ln=15,r=8,p=3$<salt>$<hash>`, in base64 without padding. */
export function formatScrypt({ cost: { N, r, p }, salt, hash }: ScryptHash): string {
  return `$scrypt$ln=${Math.log2(N)},r=${r},p=${p}$${base64(salt)}$${base64(hash)}`
}

/** @returns undefined if the text is not a scrypt hash, or if its cost exceeds the limits */
export function parseScrypt(stored: string): ScryptHash | undefined {
  const [, ln, ...phc] = PHC.exec(stored) ?? []
  const [, n, ...earlier] = EARLIER.exec(stored) ?? []
  const [r, p, salt = '', hash = ''] = ln === undefined ? earlier : phc
  const cost = { N: ln === undefined ? Number(n) : 2 ** Number(ln), r: Number(r), p: Number(p) }
  const parsed = { cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
  return isBounded(cost) && hasBoundedBytes(parsed) ? parsed : undefined
}

/** Returns whether the text is a bcrypt hash of a cost of 4 to 14. */
export function isBcrypt(stored: string): boolean {
  return BCRYPT.test(stored)
}

function isBounded({ N, r, p }: ScryptCost): boolean {
  const isPowerOfTwo = Number.isInteger(Math.log2(N)) && N > 1
  return isPowerOfTwo && r > 0 && p > 0 && 128 * N * r <= MAX_MEMORY && N * r * p <= MAX_WORK
}

function hasBoundedBytes({ salt, hash }: ScryptHash): boolean {
  return salt.length <= MAX_BYTES && hash.length >= MIN_HASH_BYTES && hash.length <= MAX_BYTES
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
