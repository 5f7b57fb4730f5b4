import { createHash, createHmac } from 'node:crypto'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** When they die, and with them every link that they signed. */
  readonly expiration?: Date
}

/** What a signature is good for. */
export interface Scope {
  readonly credentials: Credentials
  readonly region: string
  /** As it is called in the scope: `s3`, `ssm`. */
  readonly service: string
  readonly now: Date
}

/** In the form that signatures want: `20260102T030405Z`. */
export function timeOf(now: Date): string {
  return now.toISOString().replace(/[-:]|\.\d{3}/g, '')
}

/** Whose key it is, and what for. */
export function credentialOf(scope: Scope): string {
  return `${scope.credentials.accessKeyId}/${placeOf(scope)}`
}

/** Signature Version 4. @param request in the canonical form of the specification, which whoever asks has to keep to */
export function signatureOf(request: string, scope: Scope): string {
  const { credentials, region, service, now } = scope
  const time = timeOf(now)
  const key = [time.slice(0, 8), region, service, 'aws4_request'].reduce<string | Buffer>(
    (key, part) => hmac(key, part).digest(),
    `AWS4${credentials.secretAccessKey}`,
  )
  return hmac(key, `AWS4-HMAC-SHA256\n${time}\n${placeOf(scope)}\n${sha256(request)}`).digest('hex')
}

/** In hexadecimal. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function placeOf({ region, service, now }: Scope): string {
  return `${timeOf(now).slice(0, 8)}/${region}/${service}/aws4_request`
}

function hmac(key: string | Buffer, text: string) {
  return createHmac('sha256', key).update(text)
}
