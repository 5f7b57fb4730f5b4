import { accessRecord, faultRecord } from '../../lambda/http/access-log.ts'
import type { HandledRequest } from '../../lambda/http/app.ts'

/** What no log may hold, by what it looks like. */
const PATTERNS: Readonly<Record<string, RegExp>> = {
  'a token': /\beyJ[\w-]{8,}/,
  'a key or a refresh token': /\bls[kr]_[\w-]{16,}/,
  'an upload token': /(?:_state|proof)=/,
  'the pass of the direct road': /\bdirect=\d/,
  'the signature of a pull': /\/pull\/\d{9,}\./,
  'an Authorization header': /\b(?:basic|bearer) +[\w.~+/=-]{8,}/i,
  'a signature of AWS': /X-Amz-(?:Signature|Credential|Security-Token)=/i,
  'a password of the tests': /correct horse|Y29ycmVjdCBob3JzZ|NvcnJlY3QgaG9yc2|jb3JyZWN0IGhvcnNl/,
}

/** The kinds of secrets that a log holds. @param known secrets that only this caller knows, by what they are */
export function secretsIn(log: string, known: Readonly<Record<string, string>> = {}): string[] {
  const looks = Object.entries(PATTERNS).filter(([, pattern]) => pattern.test(log))
  const are = Object.entries(known).filter(([, secret]) => secret !== '' && log.includes(secret))
  return [...looks, ...are].map(([what]) => what)
}

/** @throws {Error} that names what is in the log, and shows none of it */
export function expectNoSecrets(log: string, known?: Readonly<Record<string, string>>): void {
  const found = secretsIn(log, known)
  if (found.length > 0) throw new Error(`a log holds ${found.join(', ')}`)
}

/** A request as a test sends it. */
interface Sent {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/** @throws {Error} when what the log says of a request holds a secret that came with it, or looks like one */
export function expectKept(sent: Sent, done: HandledRequest): void {
  const visit = { requestId: 'id', startedAt: 0, durationMs: 0, bytesIn: 0, bytesOut: 0 }
  const { method, headers } = sent
  const about = { ...visit, method, agent: headers['user-agent'], status: done.response?.status ?? 499 }
  const faults = done.fault === undefined ? [] : [faultRecord(0, done.fault)]
  expectNoSecrets(JSON.stringify([accessRecord(about, done), ...faults]), secretsOf(sent))
}

/** What a request carries that is nobody else's business, by what it is. */
export function secretsOf({ target, headers, body }: Omit<Sent, 'method'>): Record<string, string> {
  const credentials = headers.authorization?.replace(/^\S+ +/, '') ?? ''
  const text = typeof body === 'string' ? body : ''
  const query = new URLSearchParams(target.split('?')[1])
  const form = new URLSearchParams(headers['content-type']?.includes('form') ? text : '')
  const all = {
    'what Authorization says': credentials,
    'a password': Buffer.from(credentials, 'base64')
      .toString()
      .replace(/^[^:]*:/, ''),
    'an upload token': query.get('_state') ?? query.get('proof') ?? '',
    'the password of a form': form.get('password') ?? '',
    'the refresh token of a form': form.get('refresh_token') ?? '',
    'the password of an account': /"password":"([^"]+)"/.exec(text)?.[1] ?? '',
  }
  // What is as short as that stands in every text.
  return Object.fromEntries(Object.entries(all).filter(([, secret]) => secret.length > 6))
}
