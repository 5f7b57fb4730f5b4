/** Converts HTTP requests and responses to the event structure of CloudFront Functions, and back. */

interface EdgeValue {
  value: string
  multiValue?: { value: string }[]
}
export type EdgeValues = Record<string, EdgeValue>

/** `event.request` of CloudFront Functions, which a function receives and returns. */
export interface EdgeRequest {
  method: string
  /** The path without the query, percent-encoded as the client sent it. */
  uri: string
  querystring: EdgeValues
  headers: EdgeValues
  cookies: EdgeValues
}

export interface EdgeResponse {
  statusCode: number
  statusDescription?: string
  headers: EdgeValues
  cookies?: EdgeValues
  /** Absent: the body of the origin, or no body. */
  body?: string | { encoding: 'text' | 'base64'; data: string }
}

/** Header names and values in the order in which they were sent, like `rawHeaders` of node:http but in pairs. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

/** Headers that functions do not see and must not add ("Restrictions on all edge functions"). */
export const DISALLOWED = new RegExp(
  `^(?:${[
    'connection',
    'expect',
    'keep-alive',
    'proxy-(?:authenticate|authorization|connection)',
    'trailer',
    'upgrade',
    'x-accel-(?:buffering|charset|limit-rate|redirect)',
    'x-amz-cf-.*',
    'x-amzn-(?:auth|cf-billing|cf-id|cf-xff|errortype|fle-profile|header-count|header-order)',
    'x-amzn-(?:lambda-integration-tag|requestid)',
    'x-cache',
    'x-edge-.*',
    'x-forwarded-proto',
    'x-real-ip',
  ].join('|')})$`,
)

/** @param target the path and the query, as in the request line */
export function toEdgeRequest(method: string, target: string, headers: HeaderList = []): EdgeRequest {
  const [, uri = '', query = ''] = /^([^?]*)\??(.*)$/s.exec(target) ?? []
  return {
    method,
    uri,
    querystring: collapse(query.split('&').filter(Boolean).map(splitParameter)),
    headers: toEdgeHeaders(headers.filter(([name]) => name.toLowerCase() !== 'cookie')),
    cookies: collapse(cookiesOf(headers)),
  }
}

/** The headers of a message as a function sees them. */
export function toEdgeHeaders(headers: HeaderList): EdgeValues {
  const visible = headers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => !DISALLOWED.test(name))
  return collapse(visible)
}

/** The path and the query that CloudFront sends to the origin. */
export function targetOf({ uri, querystring }: EdgeRequest): string {
  const query = expand(querystring).map(([name, value]) => (value === '' ? name : `${name}=${value}`))
  return query.length > 0 ? `${uri}?${query.join('&')}` : uri
}

/** The headers that CloudFront forwards: one line for each value, and one line for all cookies. */
export function headersOf({
  headers,
  cookies = {},
}: {
  headers: EdgeValues
  cookies?: EdgeValues
}): HeaderList {
  const all = expand(cookies).map(([name, value]) => `${name}=${value}`)
  return all.length > 0 ? [...expand(headers), ['cookie', all.join('; ')]] : expand(headers)
}

export function bodyOf({ body }: EdgeResponse): Buffer | undefined {
  if (body === undefined) return undefined
  return typeof body === 'string'
    ? Buffer.from(body)
    : Buffer.from(body.data, body.encoding === 'text' ? 'utf8' : 'base64')
}

/** All values of a repeated name are in `multiValue`. The first one is also in `value`. */
function collapse(pairs: HeaderList): EdgeValues {
  const values: EdgeValues = Object.create(null)
  for (const [name, value] of pairs) {
    const first = values[name]
    if (!first) values[name] = { value }
    else first.multiValue = [...(first.multiValue ?? [{ value: first.value }]), { value }]
  }
  return values
}

function expand(values: EdgeValues): [string, string][] {
  return Object.entries(values).flatMap(([name, { value, multiValue = [{ value }] }]) =>
    multiValue.map((one): [string, string] => [name, one.value]),
  )
}

function splitParameter(text: string): [string, string] {
  const at = text.indexOf('=')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function cookiesOf(headers: HeaderList): [string, string][] {
  return headers
    .filter(([name]) => name.toLowerCase() === 'cookie')
    .flatMap(([, value]) => value.split(/;\s*/).map(splitParameter))
}
