import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import { RegistryError } from '../protocol/errors.ts'
import { type AccessRecord, accessRecord, type FaultRecord, faultRecord } from './access-log.ts'
import { type App, errorResponse, type HandledRequest } from './app.ts'
import { closeBody } from './body.ts'
import { viewerAddress } from './forwarded-for.ts'
import type { HttpRequest, HttpResponse } from './message.ts'

type Event = APIGatewayProxyEventV2
type EventContext = Event['requestContext']

/**
 * The fields that we read from an HTTP API event in payload format 2.0. `rawPath` is percent-decoded once and ends at a
 * decoded `?`. `rawQueryString` is as the client sent it. Header names are in lower case, and the values of a repeated
 * header are joined by commas.
 */
export interface GatewayEvent
  extends Pick<Event, 'version' | 'rawPath' | 'rawQueryString' | 'headers' | 'body' | 'isBase64Encoded'> {
  readonly requestContext: Pick<EventContext, 'requestId'> & {
    readonly http: Pick<EventContext['http'], 'method'> & Partial<Pick<EventContext['http'], 'sourceIp'>>
  }
}

/** A response in payload format 2.0. The body is always encoded in base64, which preserves every byte. */
interface GatewayResult extends APIGatewayProxyStructuredResultV2 {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: string
  readonly isBase64Encoded: true
}

/** Handles one event of an HTTP API. @throws {Error} only when the event has another format */
export type Gateway = (event: GatewayEvent) => Promise<GatewayResult>

/**
 * Maximum size of a response body, in bytes. A Lambda response has at most 6,291,556 bytes of JSON, which contain the
 * body in base64 and the headers.
 */
export const MAX_BODY_BYTES = 4_700_000

/**
 * Maximum size of all response headers, in bytes. API Gateway allows 10,240 bytes, including the headers that it adds
 * itself. It replaces a response that exceeds them with its own 500 response.
 */
export const MAX_HEADER_BYTES = 10_000

interface GatewayParts {
  readonly app: App
  /** Receives one access log record for each request, and a record for each fault. */
  readonly log: (record: AccessRecord | FaultRecord) => void
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** Creates the adapter between API Gateway and an app. */
export function createGateway({ app, log, clock }: GatewayParts): Gateway {
  return async event => {
    const startedAt = clock()
    const request = readEvent(event)
    const { requestId, http } = event.requestContext
    const exchange = await app(request)
    const { result, bytesOut, fault } = await write(http.method, exchange)
    const info = {
      requestId,
      startedAt,
      durationMs: clock() - startedAt,
      status: result.statusCode,
      bytesIn: Number(request.headers['content-length']),
      bytesOut,
      method: http.method,
      agent: request.headers['user-agent'],
      remote: request.remote,
    }
    log(accessRecord(info, exchange))
    const reported = exchange.fault ?? fault
    if (reported !== undefined) log(faultRecord(clock(), reported, requestId))
    return { ...result, headers: { ...result.headers, 'x-request-id': requestId } }
  }
}

/** Converts an event to a request. @throws {Error} when the event has another format */
export function readEvent(event: GatewayEvent): HttpRequest {
  if (event.version !== '2.0' || !event.requestContext?.http)
    throw new Error('the event must be that of an HTTP API in payload format 2.0')
  const { rawPath, rawQueryString, body = '', isBase64Encoded, requestContext } = event
  const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8')
  const { 'transfer-encoding': _, 'content-type': type, ...headers } = event.headers
  return {
    method: requestContext.http.method,
    path: rawPath,
    query: new URLSearchParams(rawQueryString),
    headers: {
      ...headers,
      // API Gateway buffers a chunked body, so its length is known. It adds text/plain to a request without a body.
      'content-length': String(bytes.length),
      ...(bytes.length > 0 && { 'content-type': type }),
    },
    remote: viewerOf(event),
    body: bodyOf(bytes),
  }
}

/** The client's address. For a request through CloudFront, `sourceIp` is an address of CloudFront. */
function viewerOf({ headers, requestContext }: GatewayEvent): string | undefined {
  return viewerAddress(headers['x-forwarded-for']) ?? requestContext.http.sourceIp
}

interface Written {
  readonly result: GatewayResult
  readonly bytesOut: number
  readonly fault?: unknown
}

async function write(method: string, { response }: HandledRequest): Promise<Written> {
  try {
    if (!response) throw new Error('the app returned no response')
    return await writeResponse(method, response)
  } catch (fault) {
    // Nothing has been sent yet, so the client can still get an error document.
    const unavailable = errorResponse(new RegistryError('UNAVAILABLE'), method)
    return { ...(await writeResponse(method, unavailable)), fault }
  } finally {
    await closeBody(response?.body).catch(() => {}) // the body has been read, or is not needed
  }
}

async function writeResponse(method: string, { status, headers, body }: HttpResponse): Promise<Written> {
  const bytes = method === 'HEAD' ? filler(status, headers, body) : await collect(headers, body)
  // API Gateway adds a text type to a response without a content type, even when the body is empty.
  const typed = { 'content-type': 'application/octet-stream', ...headers }
  const length = Object.entries(typed).reduce((sum, [name, value]) => sum + `${name}: ${value}\r\n`.length, 0)
  if (length > MAX_HEADER_BYTES) throw new Error(`the response has ${length} bytes of headers`)
  const result = {
    statusCode: status,
    headers: typed,
    body: bytes.toString('base64'),
    isBase64Encoded: true,
  } as const
  return { result, bytesOut: method === 'HEAD' ? 0 : bytes.length }
}

/**
 * A placeholder of zero bytes for the body that a response to HEAD must not have. API Gateway removes it. It is not
 * established whether API Gateway then sends our Content-Length or the length of the removed body, so the two are
 * equal.
 */
function filler(status: number, headers: HttpResponse['headers'], body: HttpResponse['body']): Buffer {
  if (status === 204 || status === 304) return Buffer.alloc(0)
  const length = Number(headers['content-length'] ?? (body instanceof Uint8Array ? body.length : 0))
  return Buffer.alloc(checkLength(length))
}

/** Reads a body. @throws {Error} when its length differs from the Content-Length, because the body may be truncated */
async function collect(
  headers: HttpResponse['headers'],
  body: HttpResponse['body'] = Buffer.alloc(0),
): Promise<Buffer> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of body instanceof Uint8Array ? [body] : body) {
    size = checkLength(size + piece.length)
    pieces.push(Buffer.from(piece)) // a copy, because the store may reuse the buffer for the next piece
  }
  const expected = headers['content-length']
  if (expected !== undefined && Number(expected) !== size)
    throw new Error(`the response has ${size} bytes instead of ${expected}`)
  return Buffer.concat(pieces)
}

function checkLength(length: number): number {
  if (length <= MAX_BODY_BYTES) return length
  throw new Error(`the response body is larger than ${MAX_BODY_BYTES} bytes, the limit behind Lambda`)
}

async function* bodyOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes
}
