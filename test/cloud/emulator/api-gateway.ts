import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Lambda, RequestTooLarge, TooManyRequests } from './lambda.ts'

const MOST_BODY = 10 * 2 ** 20
const MOST_HEADERS = 10_240
/** How long the integration may take, in milliseconds. */
const TIMEOUT = 30_000

/**
 * Which Content-Length a HEAD tells, which is not established: that of the body which Lambda gave, which is then taken
 * off; or the one that Lambda said.
 */
export type HeadLength = 'counted' | 'said'

interface Result {
  readonly statusCode?: unknown
  readonly headers?: Readonly<Record<string, unknown>>
  readonly cookies?: readonly string[]
  readonly body?: string
  readonly isBase64Encoded?: boolean
}

/** What the API calls: a function, as far as it is called. */
type Integration = Pick<Lambda, 'invoke'>

/** An HTTP API with one route, `$default`, and the stage of that name: payload format 2.0, and the limits of the real one. */
export class ApiGateway {
  readonly #lambda: Integration
  readonly #headLength: HeadLength
  readonly #server: Server
  /** Bytes of the bodies of requests, whatever became of them. */
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
    const line = `${request.method} ${request.url} HTTP/1.1\r\n`.length
    if (line + request.rawHeaders.join('  ').length > MOST_HEADERS)
      return say(request, response, 431, 'Request Header Fields Too Large')
    const body = await receive(request)
    this.bodies.push(body?.length ?? MOST_BODY)
    if (!body) return say(request, response, 413, 'Request Entity Too Large')
    const late = Symbol('late')
    const timer = Promise.withResolvers<typeof late>()
    const timeout = setTimeout(() => timer.resolve(late), TIMEOUT)
    try {
      const result = await Promise.race([this.#lambda.invoke(eventOf(request, body)), timer.promise])
      if (result === late) return say(request, response, 503, 'Service Unavailable')
      this.#answer(request, response, inferred(result))
    } catch (error) {
      if (error instanceof RequestTooLarge) return say(request, response, 413, 'Request Entity Too Large')
      if (error instanceof TooManyRequests) return say(request, response, 503, 'Service Unavailable')
      return say(request, response, 500, 'Internal Server Error')
    } finally {
      clearTimeout(timeout)
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse, result: Result): void {
    const { statusCode, headers = {}, cookies = [], body = '', isBase64Encoded } = result
    const values = Object.values(headers)
    const isWell = Number.isInteger(statusCode) && values.every(value => typeof value === 'string')
    const length = Object.entries(headers).join('  ').length
    if (!isWell || length > MOST_HEADERS) {
      say(request, response, 500, 'Internal Server Error')
      return
    }
    const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8')
    const { 'content-length': said = String(bytes.length), ...others } = headers as Record<string, string>
    const isHead = request.method === 'HEAD'
    const told = isHead && this.#headLength === 'said' ? said : String(bytes.length)
    const hasLength = statusCode !== 204 && statusCode !== 304
    response.writeHead(statusCode as number, {
      'content-type': 'text/plain;charset=UTF-8',
      ...others,
      ...(cookies.length > 0 && { 'set-cookie': [...cookies] }),
      ...(hasLength && { 'content-length': told }),
      'apigw-requestid': 'emulated=',
    })
    response.end(isHead ? undefined : bytes)
  }
}

/** Without a status the whole result is the body, as JSON. */
function inferred(result: unknown): Result {
  if (typeof result === 'object' && result !== null && 'statusCode' in result) return result
  const headers = { 'content-type': 'application/json' }
  return { statusCode: 200, headers, body: JSON.stringify(result ?? null) }
}

/** In the gateway's own words, which are no OCI error document. */
function say(request: IncomingMessage, response: ServerResponse, status: number, message: string): void {
  const body = JSON.stringify({ message })
  request.resume()
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** @returns undefined for a body that is too long */
async function receive(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MOST_BODY) return undefined
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    size += piece.length
    if (size > MOST_BODY) return undefined
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** The event, payload format 2.0. The path is decoded, and cut where that brings a `?` to light. */
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

/** Decoded; what is there twice is joined by a comma. */
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
