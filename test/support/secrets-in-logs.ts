import { accessRecord, faultRecord } from '../../lambda/http/access-log.ts'
import type { HandledRequest } from '../../lambda/http/app.ts'

/** Patterns of secrets that no log may contain, by the kind of the secret. */
const PATTERNS: Readonly<Record<string, RegExp>> = {
  'a token': /\beyJ[\w-]{8,}/,
  'a key or a refresh token': /\bls[kr]_[\w-]{16,}/,
  'an upload token': /(?:_state|proof)=/,
  'the signature of an upload': /\b(?:direct|stream)=\d/,
  'the signature of a pull': /\/pull\/\d{9,}\./,
  'an Authorization header': /\b(?:basic|bearer) +[\w.~+/=-]{8,}/i,
  'an AWS signature': /X-Amz-(?:Signature|Credential|Security-Token)=/i,
  'a password of the tests': /correct horse|Y29ycmVjdCBob3JzZ|NvcnJlY3QgaG9yc2|jb3JyZWN0IGhvcnNl/,
}

/** The kinds of secrets in a log. @param secrets values to look for besides the patterns, by kind */
export function secretsIn(log: string, secrets: Readonly<Record<string, string>> = {}): string[] {
  const byPattern = Object.entries(PATTERNS).filter(([, pattern]) => pattern.test(log))
  const byValue = Object.entries(secrets).filter(([, secret]) => secret !== '' && log.includes(secret))
  return [...byPattern, ...byValue].map(([kind]) => kind)
}

/** @throws {Error} when the log contains a secret; the message names its kind, not its value */
export function expectNoSecrets(log: string, secrets?: Readonly<Record<string, string>>): void {
  const kinds = secretsIn(log, secrets)
  if (kinds.length > 0) throw new Error(`the log contains ${kinds.join(', ')}`)
}

/** A request that a test sent. */
interface LoggedRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/** @throws {Error} when the log records of a request contain a secret of that request, or a pattern of a secret */
export function expectNoSecretsLogged(request: LoggedRequest, handled: HandledRequest): void {
  const { method, headers } = request
  const info = { requestId: 'id', startedAt: 0, durationMs: 0, bytesIn: 0, bytesOut: 0, method }
  const sent = { ...info, agent: headers['user-agent'], status: handled.response?.status ?? 499 }
  const faults = handled.fault === undefined ? [] : [faultRecord(0, handled.fault)]
  expectNoSecrets(JSON.stringify([accessRecord(sent, handled), ...faults]), secretsOf(request))
}

/** The secrets that a request contains, by kind. */
export function secretsOf({ target, headers, body }: Omit<LoggedRequest, 'method'>): Record<string, string> {
  const credentials = headers.authorization?.replace(/^\S+ +/, '') ?? ''
  const text = typeof body === 'string' ? body : ''
  const query = new URLSearchParams(target.split('?')[1])
  const form = new URLSearchParams(headers['content-type']?.includes('form') ? text : '')
  const secrets = {
    'the credentials of Authorization': credentials,
    'a password': Buffer.from(credentials, 'base64')
      .toString()
      .replace(/^[^:]*:/, ''),
    'an upload token': query.get('_state') ?? query.get('proof') ?? '',
    'the password of a form': form.get('password') ?? '',
    'the refresh token of a form': form.get('refresh_token') ?? '',
    'the password of an account': /"password":"([^"]+)"/.exec(text)?.[1] ?? '',
  }
  // Every text contains shorter values by chance.
  return Object.fromEntries(Object.entries(secrets).filter(([, secret]) => secret.length > 6))
}
