/** A request or an answer as HTTP has it and as CloudFront Functions see it, and the way between the two. */

interface EdgeValue {
  value: string
  multiValue?: { value: string }[]
}
export type EdgeValues = Record<string, EdgeValue>

/** What CloudFront hands to a function as `event.request`, and takes back from it. */
export interface EdgeRequest {
  method: string
  /** The path alone, percent-encoded as it came. */
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
  /** Absent: the origin's body, or none. */
  body?: string | { encoding: 'text' | 'base64'; data: string }
}

/** Names and values in the order of the wire, as `rawHeaders` of node:http but in pairs. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

/** Never shown to a function, which must not add them either ("Restrictions on all edge functions"). */
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

/** What becomes of an origin's answer before a function sees it. */
export function toEdgeHeaders(headers: HeaderList): EdgeValues {
  const shown = headers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => !DISALLOWED.test(name))
  return collapse(shown)
}

/** The path and the query that go to the origin. */
export function targetOf({ uri, querystring }: EdgeRequest): string {
  const query = expand(querystring).map(([name, value]) => (value === '' ? name : `${name}=${value}`))
  return query.length > 0 ? `${uri}?${query.join('&')}` : uri
}

/** The headers as they go on: each value of its own line, cookies in one. */
export function headersOf({
  headers,
  cookies = {},
}: {
  headers: EdgeValues
  cookies?: EdgeValues
}): HeaderList {
  const jar = expand(cookies).map(([name, value]) => `${name}=${value}`)
  return jar.length > 0 ? [...expand(headers), ['cookie', jar.join('; ')]] : expand(headers)
}

export function bodyOf({ body }: EdgeResponse): Buffer | undefined {
  if (body === undefined) return undefined
  return typeof body === 'string'
    ? Buffer.from(body)
    : Buffer.from(body.data, body.encoding === 'text' ? 'utf8' : 'base64')
}

/** Of what is there more than once, all values are in `multiValue` and the first in `value` too. */
function collapse(pairs: HeaderList): EdgeValues {
  const values: EdgeValues = Object.create(null)
  for (const [name, value] of pairs) {
    const known = values[name]
    if (!known) values[name] = { value }
    else known.multiValue = [...(known.multiValue ?? [{ value: known.value }]), { value }]
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
