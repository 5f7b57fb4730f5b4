/** Claims about the token rather than its holder. `sub` is the subject's name. */
const OF_THE_TOKEN = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'nonce', 'at_hash', 'azp']
const LONGEST_CLAIM = 256
/** Our own tokens and upload URLs carry the claims, and API Gateway takes 10 KB of both. Bytes of JSON. */
const LONGEST = 2_500

type Claims = Record<string, string>

/**
 * The claims that a policy can ask for, as text: `{"kubernetes.io":{"namespace":"a"}}` is `kubernetes.io.namespace`. Lists and texts
 * over 256 characters are left out, and what does not fit into 2,500 bytes of JSON. Rules only allow, so nothing is
 * opened by what is missing.
 */
export function flattenClaims(payload: Readonly<Record<string, unknown>>): Claims {
  const claims: Claims = Object.create(null)
  let length = 2
  for (const [name, value] of entries(payload)) {
    if (OF_THE_TOKEN.includes(name) || value.length > LONGEST_CLAIM) continue
    length += Buffer.byteLength(JSON.stringify({ [name]: value }))
    if (length > LONGEST) break
    claims[name] = value
  }
  return { ...claims }
}

function* entries(object: object, prefix = '', depth = 0): Generator<[name: string, value: string]> {
  for (const [key, value] of Object.entries(object)) {
    const name = prefix + key
    if (['string', 'number', 'boolean'].includes(typeof value)) yield [name, String(value)]
    else if (value && typeof value === 'object' && !Array.isArray(value) && depth < 4)
      yield* entries(value, `${name}.`, depth + 1)
  }
}
