import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { edgeFunctionCode } from '../../../infra/edge-function.ts'
import type { Credentials } from '../../../lambda/store/shared/aws-signing.ts'
import {
  bodyOf,
  type EdgeRequest,
  type EdgeResponse,
  type EdgeValues,
  type HeaderList,
  headersOf,
  targetOf,
  toEdgeHeaders,
  toEdgeRequest,
} from '../../support/edge-event.ts'
import { EdgeFunction, EdgeViolation } from '../../support/edge-function.ts'
import { ErrorCache, type ErrorResponse } from './error-cache.ts'
import { signForBucket } from './origin-access.ts'
import { forward, forwardedHeaders, HOP_BY_HOP, readRefusal } from './origin-request.ts'

const MAX_URL_LENGTH = 8_192
/** Length of the URL and the headers together. */
const MAX_HEADERS = 20_480
const METHODS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'POST', 'DELETE']
const PULL_METHODS = ['GET', 'HEAD']

export type OriginId = 'api' | 'bucket' | 'relay'

/** A request to the distribution, and where it went. `edge`: CloudFront responded itself. */
export interface RequestRecord {
  readonly origin: OriginId | 'edge'
  readonly method: string
  /** Path of the viewer's request, without the query. */
  readonly path: string
  readonly status: number
  /** Bytes of the request body and of the response body. */
  readonly bytesIn: number
  readonly bytesOut: number
}

export interface Distribution {
  readonly ports: { readonly api: number; readonly bucket: number; readonly relay?: number }
  /** Items of the KeyValueStore. */
  readonly items: Readonly<Record<string, string>>
  /** Value of the edge header for the API and the relay. */
  readonly header: string
  /** Name of the bucket. The emulated S3 is addressed in path style. */
  readonly bucket: string
  /** Whether the distribution has a behavior for `/pull/*`. */
  readonly hasPullBehavior: boolean
  readonly region: string
  readonly credentials: Credentials
  /** The request that the viewer-response function receives. Which of the two the real service passes is unknown. */
  readonly viewerResponseRequest: 'viewer' | 'origin'
  /** Headers that are not forwarded to the bucket. */
  readonly droppedHeaders: readonly string[]
  /** How long error responses are cached, in seconds. Default: 0, as in `infra/constructs/edge.ts`. */
  readonly errorCacheSeconds?: number
  /** Whether the host of an origin accepts or refuses connections. Otherwise, they time out. Default: it does. */
  readonly isReachable?: (origin: OriginId) => boolean
  /** Time after which CloudFront gives up connecting, in milliseconds. */
  readonly connectionTimeoutMs?: number
}

/**
 * Emulates a CloudFront distribution with the behaviors of `infra/constructs/edge.ts` and the two functions of
 * `infra/edge/`. It streams bodies. It caches only error responses, and those only on demand: a cached response would not
 * prove that the origin works.
 */
export class CloudFront {
  readonly #distribution: Distribution
  readonly #server: Server
  readonly #viewerRequest = new EdgeFunction(edgeFunctionCode('viewer-request'))
  readonly #viewerResponse = new EdgeFunction(edgeFunctionCode('viewer-response'))
  readonly #errors: ErrorCache
  readonly requests: RequestRecord[] = []
  /** Called after each request. */
  onRequest: (request: RequestRecord) => void = () => {}
  /** Called when an origin begins to receive a request. */
  onForward: (origin: OriginId, method: string) => void = () => {}

  private constructor(distribution: Distribution) {
    this.#distribution = distribution
    this.#errors = new ErrorCache(distribution.errorCacheSeconds ?? 0)
    this.#server = createServer({ maxHeaderSize: 64 * 1024, requestTimeout: 0 }, (request, response) => {
      this.#serve(request, response).catch(() => response.destroy())
    })
  }

  static async start(distribution: Distribution, port = 0): Promise<CloudFront> {
    const cloudfront = new CloudFront(distribution)
    cloudfront.#server.listen(port, '127.0.0.1')
    await once(cloudfront.#server, 'listening')
    return cloudfront
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request
    const bytes = { bytesIn: 0, bytesOut: 0 }
    const record = (origin: RequestRecord['origin'], status: number) => {
      const entry = { origin, method, path: url.split('?')[0] ?? '', status, ...bytes }
      this.requests.push(entry)
      this.onRequest(entry)
    }
    request.on('data', (chunk: Buffer) => {
      bytes.bytesIn += chunk.length
    })
    request.pause()
    const fail = (status: number, reason: string) => {
      request.resume()
      response.writeHead(status, { 'content-type': 'text/html', server: 'CloudFront' })
      // CloudFront's own pages are HTML.
      response.end(method === 'HEAD' ? undefined : `<h1>${status} ERROR</h1>${reason}`)
      record('edge', status)
    }

    const headers = pairsOf(request.rawHeaders)
    if (url.length > MAX_URL_LENGTH) return fail(414, 'The URL is too long')
    if (url.length + headers.flat().join('').length > MAX_HEADERS)
      return fail(494, 'The headers are too long')
    const isPull = this.#distribution.hasPullBehavior && url.startsWith('/pull/')
    if (!(isPull ? PULL_METHODS : METHODS).includes(method)) return fail(403, 'The method is not allowed')
    const { items, viewerResponseRequest } = this.#distribution
    const viewer = toEdgeRequest(method, url, headers)
    const decision = await statusOnFailure(
      this.#viewerRequest.viewerRequest(structuredClone(viewer), { items }),
    )
    if (typeof decision === 'number')
      return fail(decision, 'The function broke a rule of CloudFront Functions or failed')
    const respond = (from: RequestRecord['origin'], { status, headers, body }: ErrorResponse) => {
      request.resume()
      bytes.bytesOut = method === 'HEAD' ? 0 : body.length
      writeHead(response, status, headers)
      response.end(method === 'HEAD' ? undefined : body)
      record(from, status)
    }
    if ('response' in decision) {
      const { response: made } = decision
      const body = bodyOf(made) ?? Buffer.alloc(0)
      return respond('edge', { status: made.statusCode, headers: headersOf(made), body })
    }

    const { uri } = decision.request
    const cached = this.#errors.get(method, uri)
    if (cached) return respond('edge', cached)
    const origin = (decision.origin ?? (isPull ? 'bucket' : 'api')) as OriginId
    const reply = await this.#forward(origin, decision.request, request)
    if (typeof reply === 'number') return fail(reply, 'The origin did not respond')
    const { statusCode: status = 502 } = reply
    if (this.#errors.isCacheable(method, status)) {
      const headers = headersOf({ headers: fromOrigin(reply) })
      const error = { status, headers, body: await buffer(reply) }
      this.#errors.put(method, uri, error)
      return respond(origin, error)
    }
    const out = await statusOnFailure(
      this.#finish(viewerResponseRequest === 'viewer' ? viewer : decision.request, reply),
    )
    if (typeof out === 'number')
      return fail(out, 'The function broke a rule of CloudFront Functions or failed')
    writeHead(response, out.statusCode, headersOf(out))
    reply.on('data', (chunk: Buffer) => {
      bytes.bytesOut += chunk.length
    })
    await pipeline(reply, response).finally(() => record(origin, reply.statusCode ?? 0))
  }

  /**
   * Streams the viewer's request to an origin.
   * @returns the response as soon as its head has arrived; 502 if the origin closes the connection, 504 if it is unreachable
   */
  async #forward(
    origin: OriginId,
    rewritten: EdgeRequest,
    viewer: IncomingMessage,
  ): Promise<IncomingMessage | 502 | 504> {
    const { isReachable = () => true, connectionTimeoutMs = 30_000 } = this.#distribution
    if (!isReachable(origin)) {
      await delay(connectionTimeoutMs, undefined, { ref: false })
      return 504
    }
    const { ports, header, bucket, region, credentials, droppedHeaders } = this.#distribution
    const port = ports[origin]
    if (port === undefined) return 502
    const host = `127.0.0.1:${port}`
    const path = origin === 'bucket' ? `/${bucket}${targetOf(rewritten)}` : targetOf(rewritten)
    const plain = forwardedHeaders(headersOf(rewritten), viewer)
    for (const name of droppedHeaders) delete plain[name]
    const { method } = rewritten
    const headers =
      origin === 'bucket'
        ? await signForBucket({ method, host, path, headers: plain }, credentials, region)
        : { ...plain, host, 'x-longshore-edge': header }
    const outgoing = { host: '127.0.0.1', port, method, path, headers }
    this.onForward(origin, method)
    const reply = await forward(outgoing, viewer)
    if (reply) return reply
    return (origin === 'bucket' && !viewer.destroyed && (await readRefusal(outgoing))) || 502
  }

  async #finish(shown: EdgeRequest, reply: IncomingMessage): Promise<EdgeResponse> {
    const statusCode = reply.statusCode ?? 502
    const response: EdgeResponse = { statusCode, headers: fromOrigin(reply) }
    if (statusCode >= 400) return response
    return this.#viewerResponse.viewerResponse(shown, response, { items: this.#distribution.items })
  }
}

/** The result of a function, or CloudFront's status for a function that broke a rule (502) or threw (503). */
function statusOnFailure<T>(decision: Promise<T>): Promise<T | 502 | 503> {
  return decision.catch(error => (error instanceof EdgeViolation ? 502 : 503))
}

/** The end-to-end headers of an origin's response. */
function fromOrigin({ rawHeaders }: IncomingMessage): EdgeValues {
  return toEdgeHeaders(pairsOf(rawHeaders).filter(([name]) => !HOP_BY_HOP.includes(name.toLowerCase())))
}

function pairsOf(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? ''])
}

function writeHead(response: ServerResponse, status: number, headers: HeaderList): void {
  const joined: IncomingHttpHeaders = {}
  for (const [name, value] of headers)
    joined[name] = joined[name] === undefined ? value : `${joined[name]}, ${value}`
  response.writeHead(status, { ...joined, 'x-cache': 'Miss from cloudfront' })
}
