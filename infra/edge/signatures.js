// Signatures of the API (lambda/aws/signed-urls.ts): `<expires>.<HMAC>` over the kind of the signature and the signed values.
import crypto from 'crypto'
import { item, keysItem } from './cloudfront.js'

export const TOKEN = '([0-9]{1,12})[.]([0-9A-Za-z_-]{43})'

const ONE_TOKEN = new RegExp(`^${TOKEN}$`)
const KEY = /^[0-9A-Za-z_-]{43}$/

/**
 * Whether one of our keys signed the values as `token`, and the token has not expired.
 * The item `keys` is `<current>` or `<current>,<previous>`.
 */
export async function isSigned(values, token) {
  const found = ONE_TOKEN.exec(token)
  if (!found || Number(found[1]) * 1000 <= Date.now()) return false
  const keys = (await keysItem()).split(',').filter(key => KEY.test(key))
  // Everybody can sign with an empty key.
  if (keys.length === 0) throw new Error('no key')
  const text = values.concat(found[1]).join('\n')
  return keys.some(key => isSame(crypto.createHmac('sha256', key).update(text).digest('base64url'), found[2]))
}

/**
 * Whether requests without a signature are still accepted: those of sessions and tokens which the API issued before it signed them.
 * The item `unsigned` is the end of that time, in seconds since 1970.
 */
export async function acceptsUnsigned() {
  const until = await item('unsigned')
  return Number(until) * 1000 > Date.now()
}

/** Compares two texts of 43 characters in constant time. */
function isSame(one, other) {
  let difference = 0
  for (let i = 0; i < one.length; i++) difference |= one.codePointAt(i) ^ other.codePointAt(i)
  return difference === 0
}
