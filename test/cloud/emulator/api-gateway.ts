import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Lambda, RequestTooLarge, TooManyRequests } from './lambda.ts'

const MAX_BODY = 10 * 2 ** 20
const MAX_HEADERS = 10_240
/** Timeout of the integration, in milliseconds. */
const TIMEOUT_MS = 30_000

/**
 * The Content-Length of a response to HEAD: the length of the body that the function returned (`counted`), or the header
 * that the function returned (`said`). Which of the two the real service sends is unknown.
 */
export type HeadLength = 'counted' | 'said'

interface Result {
  readonly statusCode?: unknown
  readonly headers?: Readonly<Record<string, unknown>>
  readonly cookies?: readonly string[]
  readonly body?: string
  readonly isBase64Encoded?: boolean
}

/** The function that the API invokes. */
type Integration = Pick<Lambda, 'invoke'>

/** Emulates an HTTP API with the route and the stage `$default`: payload format 2.0 and the service's limits. */
export class ApiGateway {
  readonly #lambda: Integration
  readonly #headLength: HeadLength
  readonly #server: Server
  /** Sizes of the request bodies in bytes, rejected ones included. */
  readonly bodies: number[] = []

  private constructor(lambda: Integration, headLength: HeadLength) {
    this.#lambda = lambda
    this.#headLength = headLength
    this.#server = createServer({ maxHeaderSize: 64 * 1024 }, (request, response) => {
      this.#serve(request, response).catch(() => response.destroy())
    })
  }

  static async start(lambda: Integration, headLength: HeadLength = 'counted'): Promise<ApiGateway> {
    const gateway = new ApiGateway(lambda, headLength)
    gateway.#server.listen(0, '127.0.0.1')
    await once(gateway.#server, 'listening')
    return gateway
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestLine = `${request.method} ${request.url} HTTP/1.1\r\n`.length
    if (requestLine + request.rawHeaders.join('  ').length > MAX_HEADERS)
      return respondWithError(request, response, 431, 'Request Header Fields Too Large')
    const body = await receive(request)
    this.bodies.push(body?.length ?? MAX_BODY)
    if (!body) return respondWithError(request, response, 413, 'Request Entity Too Large')
    const late = Symbol('late')
    const timer = Promise.withResolvers<typeof late>()
    const timeout = setTimeout(() => timer.resolve(late), TIMEOUT_MS)
    try {
      const result = await Promise.race([this.#lambda.invoke(eventOf(request, body)), timer.promise])
      if (result === late) return respondWithError(request, response, 503, 'Service Unavailable')
      this.#respond(request, response, resultOf(result))
    } catch (error) {
      if (error instanceof RequestTooLarge)
        return respondWithError(request, response, 413, 'Request Entity Too Large')
      if (error instanceof TooManyRequests)
        return respondWithError(request, response, 503, 'Service Unavailable')
      return respondWithError(request, response, 500, 'Internal Server Error')
    } finally {
      clearTimeout(timeout)
    }
  }

  #respond(request: IncomingMessage, response: ServerResponse, result: Result): void {
    const { statusCode, headers = {}, cookies = [], body = '', isBase64Encoded } = result
    const values = Object.values(headers)
    const isValid = Number.isInteger(statusCode) && values.every(value => typeof value === 'string')
    const length = Object.entries(headers).join('  ').length
    if (!isValid || length > MAX_HEADERS) {
      respondWithError(request, response, 500, 'Internal Server Error')
      return
    }
    const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8')
    const { 'content-length': returnedLength = String(bytes.length), ...others } = headers as Record<
      string,
      string
    >
    const isHead = request.method === 'HEAD'
    const contentLength = isHead && this.#headLength === 'said' ? returnedLength : String(bytes.length)
    const hasLength = statusCode !== 204 && statusCode !== 304
    response.writeHead(statusCode as number, {
      'content-type': 'text/plain;charset=UTF-8',
      ...others,
      ...(cookies.length > 0 && { 'set-cookie': [...cookies] }),
      ...(hasLength && { 'content-length': contentLength }),
      'apigw-requestid': 'emulated=',
    })
    response.end(isHead ? undefined : bytes)
  }
}

/** A result without a status code is the response body, as JSON. */
function resultOf(result: unknown): Result {
  if (typeof result === 'object' && result !== null && 'statusCode' in result) return result
  const headers = { 'content-type': 'application/json' }
  return { statusCode: 200, headers, body: JSON.stringify(result ?? null) }
}

/** The service's own error format. It is not an OCI error document. */
function respondWithError(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  message: string,
): void {
  const body = JSON.stringify({ message })
  request.resume()
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** @returns undefined for a body that is too large */
async function receive(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY) return undefined
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += chunk.length
    if (size > MAX_BODY) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The event in payload format 2.0. The path is decoded, and ends at a decoded `?`. */
export function eventOf(request: IncomingMessage, body: Buffer): unknown {
  const [path = '', ...query] = (request.url ?? '/').split('?')
  const [rawPath] = decode(path).split('?')
  const headers: Record<string, string> = {}
  for (const [name, values = []] of Object.entries(request.headersDistinct))
    if (name !== 'cookie') headers[name] = values.join(',')
  if (body.length === 0) headers['content-type'] ??= 'text/plain; charset=utf-8'
  const sourceIp = request.socket.remoteAddress
  headers['x-forwarded-for'] = [headers['x-forwarded-for'], sourceIp].filter(Boolean).join(', ')
  headers['x-forwarded-proto'] = 'https'
  headers['x-forwarded-port'] = '443'
  const rawQueryString = query.join('?')
  const isText = isTextType(headers['content-type']) && Buffer.from(body.toString()).equals(body)
  const cookies = request.headers.cookie?.split('; ')
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString,
    ...(rawQueryString && { queryStringParameters: parametersOf(rawQueryString) }),
    ...(cookies && { cookies }),
    headers,
    requestContext: {
      http: { method: request.method, path: rawPath, protocol: 'HTTP/1.1', sourceIp },
      requestId: randomUUID(),
      routeKey: '$default',
      stage: '$default',
      timeEpoch: Date.now(),
    },
    ...(body.length > 0 && { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  }
}

/** Decoded. The values of a repeated parameter are joined by commas. */
function parametersOf(query: string): Record<string, string> {
  const parameters = new URLSearchParams(query)
  return Object.fromEntries([...parameters.keys()].map(name => [name, parameters.getAll(name).join(',')]))
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

function isTextType(type = ''): boolean {
  return /^text\/|^application\/(json|javascript|xml)\b/.test(type)
}
