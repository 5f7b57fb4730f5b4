import { createHash, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'

/** 32 MiB, and some 200 ms of a processor, for one guess (one of the choices that OWASP gives for scrypt as equally strong). */
const COST = { N: 2 ** 15, r: 8, p: 3 }
const KEY_PREFIX = 'lsk_'

/** A password in the form in which it is kept: `scrypt$<N>$<r>$<p>$<salt>$<hash>`, in base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const { N, r, p } = COST
  const hash = await derive(password, salt, COST)
  return ['scrypt', N, r, p, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/** @param kept by {@link hashPassword}, or a bcrypt hash as htpasswd writes it */
export async function isPassword(password: string, kept: string): Promise<boolean> {
  if (kept.startsWith('$2')) {
    const { compare } = await import('bcryptjs')
    return compare(password, kept)
  }
  const [scheme, N, r, p, salt = '', hash = ''] = kept.split('$')
  if (scheme !== 'scrypt') return false
  const expected = Buffer.from(hash, 'base64url')
  const actual = await derive(password, Buffer.from(salt, 'base64url'), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  })
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}

/** A robot's key, 256 bits, and the form in which it is kept: it is random, so one round of a hash is enough. */
export function makeKey(): { readonly key: string; readonly kept: string } {
  const key = KEY_PREFIX + randomBytes(32).toString('base64url')
  return { key, kept: hashKey(key) }
}

export function isKey(key: string, kept: string): boolean {
  const [actual, expected] = [Buffer.from(hashKey(key)), Buffer.from(kept)]
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}

/** The name under which a random secret can be looked up. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

function derive(password: string, salt: Buffer, cost: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, hash: Buffer) => (error ? reject(error) : resolve(hash))
    scrypt(password.normalize('NFC'), salt, 32, { ...cost, maxmem: 128 * 2 ** 20 }, done)
  })
}
