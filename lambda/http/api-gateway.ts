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
 * The fields that are read of an HTTP API event in payload format 2.0. `rawPath` is decoded once and ends at a decoded `?`;
 * `rawQueryString` is as the client sent it. Header names are in lower case, and the values of a repeated header are
 * joined by commas.
 */
export interface GatewayEvent
  extends Pick<Event, 'version' | 'rawPath' | 'rawQueryString' | 'headers' | 'body' | 'isBase64Encoded'> {
  readonly requestContext: Pick<EventContext, 'requestId'> & {
    readonly http: Pick<EventContext['http'], 'method'> & Partial<Pick<EventContext['http'], 'sourceIp'>>
  }
}

/** A response in payload format 2.0. The body is always base64, so that no byte changes. */
interface GatewayResult extends APIGatewayProxyStructuredResultV2 {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: string
  readonly isBase64Encoded: true
}

/** The app behind an HTTP API. @throws {Error} only when the event is of another format */
export type Gateway = (event: GatewayEvent) => Promise<GatewayResult>

/**
 * The most bytes that a response can have. Lambda answers with 6,291,556 bytes of JSON, in which bytes are base64; what
 * is left of them are headers, of which API Gateway takes 10,240 bytes.
 */
export const MAX_BODY_BYTES = 4_700_000

/** Bytes of all headers of a response. With more, or with those that it adds, API Gateway answers 500 in its own words. */
export const MAX_HEADER_BYTES = 10_000

interface GatewayParts {
  readonly app: App
  /** Where records go, of requests and of what went wrong on our side. */
  readonly log: (record: AccessRecord | FaultRecord) => void
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** Puts an app behind API Gateway. */
export function createGateway({ app, log, clock }: GatewayParts): Gateway {
  return async event => {
    const startedAt = clock()
    const request = readEvent(event)
    const { requestId, http } = event.requestContext
    const exchange = await app(request)
    const { result, bytesOut, fault } = await write(http.method, exchange)
    const visit = {
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
    log(accessRecord(visit, exchange))
    const wrong = exchange.fault ?? fault
    if (wrong !== undefined) log(faultRecord(clock(), wrong, requestId))
    return { ...result, headers: { ...result.headers, 'x-request-id': requestId } }
  }
}

/** What API Gateway received, as the app wants it. @throws {Error} when the event is of another format */
export function readEvent(event: GatewayEvent): HttpRequest {
  if (event.version !== '2.0' || !event.requestContext?.http)
    throw new Error('the event is not that of an HTTP API in payload format 2.0')
  const { rawPath, rawQueryString, body = '', isBase64Encoded, requestContext } = event
  const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8')
  const { 'transfer-encoding': _, 'content-type': type, ...headers } = event.headers
  return {
    method: requestContext.http.method,
    path: rawPath,
    query: new URLSearchParams(rawQueryString),
    headers: {
      ...headers,
      // A body in chunks arrives whole, and a request without one is said to be text.
      'content-length': String(bytes.length),
      ...(bytes.length > 0 && { 'content-type': type }),
    },
    remote: viewerOf(event),
    body: oneOf(bytes),
  }
}

/** Who asked: CloudFront says whom it asks for, and API Gateway who asked it. */
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
    if (!response) throw new Error('the app has no answer')
    return await writeResponse(method, response)
  } catch (fault) {
    // Nothing has been sent yet, so the client can still be told.
    const told = errorResponse(new RegistryError('UNAVAILABLE'), method)
    return { ...(await writeResponse(method, told)), fault }
  } finally {
    await closeBody(response?.body).catch(() => {}) // the response has its bytes or never will
  }
}

async function writeResponse(method: string, { status, headers, body }: HttpResponse): Promise<Written> {
  const bytes = method === 'HEAD' ? filler(status, headers, body) : await collect(headers, body)
  // Without a type API Gateway would call it text, no bytes included.
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
 * What takes the place of the body that a HEAD must not have. API Gateway takes it off, and it is not established whether
 * it then tells the length that we said or the one that it counted. So they are the same.
 */
function filler(status: number, headers: HttpResponse['headers'], body: HttpResponse['body']): Buffer {
  if (status === 204 || status === 304) return Buffer.alloc(0)
  const length = Number(headers['content-length'] ?? (body instanceof Uint8Array ? body.length : 0))
  return Buffer.alloc(within(length))
}

/** A body that is not as long as it said must not pass for a whole one. */
async function collect(
  headers: HttpResponse['headers'],
  body: HttpResponse['body'] = Buffer.alloc(0),
): Promise<Buffer> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of body instanceof Uint8Array ? [body] : body) {
    size = within(size + piece.length)
    pieces.push(Buffer.from(piece)) // a piece is only ours until the next
  }
  const said = headers['content-length']
  if (said !== undefined && Number(said) !== size)
    throw new Error(`the response has ${size} bytes instead of ${said}`)
  return Buffer.concat(pieces)
}

function within(length: number): number {
  if (length <= MAX_BODY_BYTES) return length
  throw new Error('the response is longer than Lambda can answer with')
}

async function* oneOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes
}
