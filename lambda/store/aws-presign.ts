import { type Credentials, credentialOf, signatureOf, timeOf } from './aws-signature.ts'

interface Presigning {
  readonly method: 'GET' | 'HEAD'
  /** Of what is asked for, its path already encoded. */
  readonly url: URL
  readonly query: Readonly<Record<string, string>>
  /** What must be sent besides `host`: names in lower case, in their order. */
  readonly headers?: Readonly<Record<string, string>>
  /** SHA-256 of the body in hexadecimal, or what S3 takes instead. */
  readonly payload: string
  /** As it is called in the scope: `s3`, `sts`. */
  readonly service: string
  readonly region: string
  readonly credentials: Credentials
  readonly now: Date
  /** How long the link works; a week is the most that S3 takes. */
  readonly seconds: number
}

/**
 * A link that AWS answers without an Authorization header (Signature Version 4, in the query). Method, path, query, host
 * and the headers named are signed: changed in anything it is refused. By hand, because it is all that a pull needs of S3: the SDK's
 * presigner takes three times as long, and would have to be loaded with its client first.
 */
export function presign({
  method,
  url,
  query,
  headers = {},
  payload,
  credentials,
  seconds,
  ...where
}: Presigning): URL {
  const scope = { credentials, ...where }
  const lines = Object.entries({ host: url.host, ...headers }).map(([name, value]) => `${name}:${value}\n`)
  const names = ['host', ...Object.keys(headers)].join(';')
  const signed = canonical({
    ...query,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': credentialOf(scope),
    'X-Amz-Date': timeOf(scope.now),
    'X-Amz-Expires': String(seconds),
    ...(credentials.sessionToken && { 'X-Amz-Security-Token': credentials.sessionToken }),
    'X-Amz-SignedHeaders': names,
  })
  const request = `${method}\n${url.pathname}\n${signed}\n${lines.join('')}\n${names}\n${payload}`
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
