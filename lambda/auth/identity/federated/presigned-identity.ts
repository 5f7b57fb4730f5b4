import * as v from 'valibot'
import { isStsHost } from './sts-hosts.ts'

/** The signature covers it, so that a question which was signed for one registry is worth nothing at another. */
export const REGISTRY_HEADER = 'x-longshore-registry'
/** What the signature covers, and nothing else: what it does not cover, others could have chosen. */
const SIGNED_HEADERS = `host;${REGISTRY_HEADER}`
/** How long after it was signed a question is answered, at most. Seconds. STS keeps to the same. */
export const MAX_LIFETIME = 15 * 60
/** How far the clock of a client may be ahead. Milliseconds. */
const SKEW = 5 * 60 * 1000
const LONGEST = 8 * 1024

/** The only question that is passed on: who am I? */
export const CALLER_IDENTITY_QUERY = { Action: 'GetCallerIdentity', Version: '2011-06-15' }

const Query = v.strictObject({
  Action: v.literal(CALLER_IDENTITY_QUERY.Action),
  Version: v.literal(CALLER_IDENTITY_QUERY.Version),
  'X-Amz-Algorithm': v.literal('AWS4-HMAC-SHA256'),
  'X-Amz-Credential': v.pipe(v.string(), v.regex(/^\w{16,128}\/\d{8}\/[a-z0-9-]{1,32}\/sts\/aws4_request$/)),
  'X-Amz-Date': v.pipe(v.string(), v.regex(/^\d{8}T\d{6}Z$/)),
  'X-Amz-Expires': v.pipe(v.string(), v.regex(/^\d{1,3}$/), v.transform(Number), v.maxValue(MAX_LIFETIME)),
  'X-Amz-Security-Token': v.optional(v.string()),
  'X-Amz-SignedHeaders': v.literal(SIGNED_HEADERS),
  'X-Amz-Signature': v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
})

/**
 * Reads the presigned request of STS that serves as a password. Whoever signed it said no more than that STS may tell who he is.
 * @param now milliseconds since 1970
 * @returns what to ask of STS; a sentence's end when it is none, or is too old
 */
export function parsePresignedIdentity(password: string, now: number): URL | string {
  if (password.length > LONGEST) return 'the password is too long'
  const [, host = '', query = ''] = /^https:\/\/([a-z0-9.-]+)\/\?([!-~]+)$/.exec(password) ?? []
  if (!isStsHost(host)) return 'the password is no presigned request of STS'
  const said = [...new URLSearchParams(query)]
  const parsed = v.safeParse(Query, Object.fromEntries(said))
  if (!parsed.success || said.length !== new Set(said.map(([name]) => name)).size)
    return `the password is not GetCallerIdentity of STS, signed for ${SIGNED_HEADERS}`
  const signed = timeFrom(parsed.output['X-Amz-Date'])
  // A date that does not exist gives NaN, which passes no comparison.
  if (!(signed <= now + SKEW)) return 'the password was signed in the future'
  if (signed + parsed.output['X-Amz-Expires'] * 1000 <= now) return 'the password has expired'
  return new URL(`https://${host}/?${new URLSearchParams(said)}`)
}

/** Milliseconds since 1970, from the form that signatures have: `20260102T030405Z`. */
function timeFrom(text: string): number {
  return Date.parse(text.replace(/^(....)(..)(..T..)(..)(...)$/, '$1-$2-$3:$4:$5'))
}
