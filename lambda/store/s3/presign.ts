import { type Credentials, credentialOf, signatureOf, timeOf } from '../aws-signature.ts'

export interface Presigning {
  readonly method: 'GET' | 'HEAD'
  /** Of the object, its path already encoded. */
  readonly url: URL
  readonly query: Readonly<Record<string, string>>
  readonly region: string
  readonly credentials: Credentials
  readonly now: Date
  /** How long the link works; a week is the most that S3 takes. */
  readonly seconds: number
}

/**
 * A link that S3 answers without any header of the client's (Signature Version 4, in the query). Method, path, query
 * and host are signed: changed in anything it is refused. By hand, because it is all that a pull needs of S3: the SDK's
 * presigner takes three times as long, and would have to be loaded with its client first.
 */
export function presign({ method, url, query, region, credentials, now, seconds }: Presigning): URL {
  const scope = { credentials, region, service: 's3', now }
  const signed = canonical({
    ...query,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD',
    'X-Amz-Credential': credentialOf(scope),
    'X-Amz-Date': timeOf(now),
    'X-Amz-Expires': String(seconds),
    ...(credentials.sessionToken && { 'X-Amz-Security-Token': credentials.sessionToken }),
    'X-Amz-SignedHeaders': 'host',
  })
  const request = `${method}\n${url.pathname}\n${signed}\nhost:${url.host}\n\nhost\nUNSIGNED-PAYLOAD`
  return new URL(`${url.origin}${url.pathname}?${signed}&X-Amz-Signature=${signatureOf(request, scope)}`)
}

function canonical(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`)
  return pairs.sort().join('&')
}

/** More than `encodeURIComponent`: all but RFC 3986's unreserved characters, for a query or one segment of a path. */
export function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
