/** Claims about the token and not about its holder, and `sub`, which the subject contains in another field. */
const EXCLUDED_CLAIMS = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'nonce', 'at_hash', 'azp']
const MAX_CLAIM_LENGTH = 256
/**
 * Bytes of JSON. The registry's tokens and upload URLs contain the claims, and API Gateway accepts 10,240 bytes of URL
 * and headers.
 */
const MAX_CLAIMS_BYTES = 2_500

type Claims = Record<string, string>

/**
 * Converts claims to the strings that policies match: `{"kubernetes.io":{"namespace":"a"}}` becomes
 * `kubernetes.io.namespace`. Lists, strings over 256 characters and claims beyond 2,500 bytes of JSON are left out.
 * Policy rules only grant, so a missing claim grants nothing.
 */
export function flattenClaims(payload: Readonly<Record<string, unknown>>): Claims {
  const claims: Claims = Object.create(null)
  let length = 2
  for (const [name, value] of entries(payload)) {
    if (EXCLUDED_CLAIMS.includes(name) || value.length > MAX_CLAIM_LENGTH) continue
    length += Buffer.byteLength(JSON.stringify({ [name]: value }))
    if (length > MAX_CLAIMS_BYTES) break
    claims[name] = value
  }
  return { ...claims }
}

/** The strings, numbers and booleans in an object, at most five levels deep. */
function* entries(object: object, prefix = '', depth = 0): Generator<[name: string, value: string]> {
  for (const [key, value] of Object.entries(object)) {
    const name = prefix + key
    if (['string', 'number', 'boolean'].includes(typeof value)) yield [name, String(value)]
    else if (value && typeof value === 'object' && !Array.isArray(value) && depth < 4)
      yield* entries(value, `${name}.`, depth + 1)
  }
}
