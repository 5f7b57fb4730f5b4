import { isDeepStrictEqual } from 'node:util'
import { DISALLOWED, type EdgeRequest, type EdgeResponse, type EdgeValues, targetOf } from './edge-event.ts'
import { EdgeScript } from './edge-runtime.ts'

/** A function returned a result for which CloudFront responds 502, or used a feature that CloudFront does not have. */
export class EdgeViolation extends Error {
  override readonly name = 'EdgeViolation'
}

export interface EdgeEnvironment {
  /** The items of the KeyValueStore. Absent: the function has no KeyValueStore. */
  readonly items?: Readonly<Record<string, string>> | undefined
  /** The ids of the distribution's origins. */
  readonly origins?: readonly string[]
  /** Milliseconds since 1970. */
  readonly now?: number
}

/** The result of a viewer-request function: a response to the client, or a request to forward. */
export type Decision =
  | { readonly response: EdgeResponse }
  | {
      readonly request: EdgeRequest
      /** The id of the selected origin. Absent: the origin of the cache behavior. */
      readonly origin?: string
    }

/** AWS documents "10 KB". This reads it as the smaller of its meanings, in bytes. */
const MAX_FILE_SIZE = 10_000
const MAX_TARGET_LENGTH = 8_191
const READ_ONLY_IN_REQUEST = ['cdn-loop', 'content-length', 'host', 'transfer-encoding', 'via']
const READ_ONLY_IN_RESPONSE = ['via', 'warning']

/** The code of a function, run as CloudFront would run it: nothing is left of one call when the next one runs. */
export class EdgeFunction {
  readonly #script: EdgeScript

  /** @throws {EdgeViolation} when the code is larger than CloudFront allows */
  constructor(code: string) {
    check(Buffer.byteLength(code) <= MAX_FILE_SIZE, 'the code of the function is too large')
    this.#script = new EdgeScript(code)
  }

  /** @throws {EdgeViolation} when the result is invalid for CloudFront */
  async viewerRequest(request: EdgeRequest, environment: EdgeEnvironment = {}): Promise<Decision> {
    const { items, origins = ['api', 'bucket', 'relay'], now = Date.now() } = environment
    let origin: string | undefined
    const cloudfront = {
      kvs: () => keyValueStore(items),
      selectRequestOriginById(id: string) {
        origin = id
      },
    }
    const event = { ...envelope('viewer-request'), request }
    const result = await this.#script.call(event, { cloudfront, now })
    check(origin === undefined || origins.includes(origin), `there is no origin ${origin}`)
    if (isResponse(result)) {
      checkResponse(result, {})
      return { response: result }
    }
    checkRequest(result as EdgeRequest, request)
    return { request: result as EdgeRequest, ...(origin !== undefined && { origin }) }
  }

  /**
   * @param request the viewer's request, or the result of the viewer-request function: it is not established which of
   * the two CloudFront passes
   * @throws {EdgeViolation} when the result is invalid for CloudFront
   */
  async viewerResponse(
    request: EdgeRequest,
    response: EdgeResponse,
    { items, now = Date.now() }: EdgeEnvironment = {},
  ): Promise<EdgeResponse> {
    check(response.statusCode < 400, 'CloudFront runs no function for a response with status 400 or above')
    const event = { ...envelope('viewer-response'), request, response }
    const cloudfront = { kvs: () => keyValueStore(items) }
    const result = await this.#script.call(event, { cloudfront, now })
    check(isResponse(result), 'the function did not return a response')
    checkResponse(result, response.headers)
    return result
  }
}

function envelope(eventType: string) {
  const context = {
    distributionDomainName: 'd111111abcdef8.cloudfront.net',
    distributionId: 'EDFDVBD6EXAMPLE',
    eventType,
    requestId: 'EXAMPLEntjQpEXAMPLE_SG5Z-EXAMPLEPmPfEXAMPLEu3EqEXAMPLE==',
  }
  return { version: '1.0', context, viewer: { ip: '198.51.100.11' } }
}

function keyValueStore(items: EdgeEnvironment['items']) {
  if (!items) throw new Error('no KeyValueStore is associated with the function')
  return {
    async get(key: string, { format = 'string' } = {}) {
      if (!Object.hasOwn(items, key)) throw new Error(`KeyValueStore has no key ${key}`)
      const value = items[key] ?? ''
      return format === 'json' ? JSON.parse(value) : format === 'bytes' ? Buffer.from(value) : value
    },
    exists: async (key: string) => Object.hasOwn(items, key),
  }
}

function checkRequest(result: EdgeRequest, { method, headers }: EdgeRequest) {
  check(result.method === method, 'the method cannot be changed')
  check(result.uri.startsWith('/'), `the uri ${result.uri} does not begin with a slash`)
  check(targetOf(result).length <= MAX_TARGET_LENGTH, 'the uri and the query are too long')
  checkHeaders(result.headers, headers, READ_ONLY_IN_REQUEST)
}

function checkResponse({ statusCode, headers, body }: EdgeResponse, before: EdgeValues) {
  check(
    Number.isInteger(statusCode) && statusCode >= 200 && statusCode < 600,
    `invalid status: ${statusCode}`,
  )
  checkHeaders(headers, before, READ_ONLY_IN_RESPONSE)
  if (typeof body === 'object')
    check(typeof body.data === 'string' && ['text', 'base64'].includes(body.encoding), 'invalid body')
}

function checkHeaders(after: EdgeValues, before: EdgeValues, readOnly: readonly string[]) {
  for (const name of readOnly)
    check(isDeepStrictEqual(plain(after[name]), plain(before[name])), `${name} is read-only`)
  for (const [name, { value, multiValue = [] }] of Object.entries(after)) {
    check(/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name), `${name} is not a header name in lower case`)
    check(!DISALLOWED.test(name), `${name} is disallowed`)
    for (const text of [value, ...multiValue.map(one => one.value)])
      check(typeof text === 'string' && !/[\r\n\0]/.test(text), `${name} has an invalid value`)
  }
}

const plain = (value: unknown) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))

function isResponse(result: unknown): result is EdgeResponse {
  return typeof result === 'object' && result !== null && 'statusCode' in result
}

function check(condition: boolean, violation: string): asserts condition {
  if (!condition) throw new EdgeViolation(violation)
}
