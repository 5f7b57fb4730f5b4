import * as v from 'valibot'
import { isStsHost } from './sts-hosts.ts'

/**
 * The signed header with the host of the registry. It makes a request that was signed for one registry invalid at every
 * other.
 */
export const REGISTRY_HEADER = 'x-longshore-registry'
/** The exact list of signed headers. Anyone could have set a header that is not signed. */
const SIGNED_HEADERS = `host;${REGISTRY_HEADER}`
/** Maximum lifetime of a presigned request. STS has the same limit. */
export const MAX_LIFETIME_SECONDS = 15 * 60
/** How far the clock of a client may be ahead. */
const CLOCK_SKEW_MS = 5 * 60 * 1000
/** Maximum length of a password, in characters. */
const MAX_PASSWORD_LENGTH = 8 * 1024

/** The only request that is sent to STS. */
export const CALLER_IDENTITY_QUERY = { Action: 'GetCallerIdentity', Version: '2011-06-15' }

const Query = v.strictObject({
  Action: v.literal(CALLER_IDENTITY_QUERY.Action),
  Version: v.literal(CALLER_IDENTITY_QUERY.Version),
  'X-Amz-Algorithm': v.literal('AWS4-HMAC-SHA256'),
  'X-Amz-Credential': v.pipe(v.string(), v.regex(/^\w{16,128}\/\d{8}\/[a-z0-9-]{1,32}\/sts\/aws4_request$/)),
  'X-Amz-Date': v.pipe(v.string(), v.regex(/^\d{8}T\d{6}Z$/)),
  'X-Amz-Expires': v.pipe(
    v.string(),
    v.regex(/^\d{1,3}$/),
    v.transform(Number),
    v.maxValue(MAX_LIFETIME_SECONDS),
  ),
  'X-Amz-Security-Token': v.optional(v.string()),
  'X-Amz-SignedHeaders': v.literal(SIGNED_HEADERS),
  'X-Amz-Signature': v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
})

/**
 * Parses a password, which must be a presigned GetCallerIdentity request. Such a request reveals the identity of its
 * signer and permits nothing else.
 * @param now milliseconds since 1970
 * @returns the URL to request from STS; or the reason for a rejection if the password is malformed or has expired
 */
export function parsePresignedIdentity(password: string, now: number): URL | string {
  if (password.length > MAX_PASSWORD_LENGTH)
    return `the password must have at most ${MAX_PASSWORD_LENGTH} characters`
  const [, host = '', query = ''] = /^https:\/\/([a-z0-9.-]+)\/\?([!-~]+)$/.exec(password) ?? []
  if (!isStsHost(host)) return 'the password must be a presigned request to an endpoint of STS'
  const parameters = [...new URLSearchParams(query)]
  const parsed = v.safeParse(Query, Object.fromEntries(parameters))
  if (!parsed.success || parameters.length !== new Set(parameters.map(([name]) => name)).size)
    return `the password must be a presigned GetCallerIdentity request with the signed headers ${SIGNED_HEADERS}`
  const signed = parseTime(parsed.output['X-Amz-Date'])
  // A date that does not exist becomes NaN, for which every comparison is false.
  if (!(signed <= now + CLOCK_SKEW_MS)) return 'the password was signed in the future'
  if (signed + parsed.output['X-Amz-Expires'] * 1000 <= now) return 'the password has expired'
  return new URL(`https://${host}/?${new URLSearchParams(parameters)}`)
}

/** Parses the date format of AWS signatures, `20260102T030405Z`. @returns milliseconds since 1970, or NaN */
function parseTime(text: string): number {
  return Date.parse(text.replace(/^(....)(..)(..T..)(..)(...)$/, '$1-$2-$3:$4:$5'))
}
