import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  request as send,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import type { Credentials } from '../../../lambda/store/aws-signature.ts'
import {
  bodyOf,
  type EdgeRequest,
  type EdgeResponse,
  type HeaderList,
  headersOf,
  targetOf,
  toEdgeHeaders,
  toEdgeRequest,
} from '../../support/edge-event.ts'
import { EdgeFunction, EdgeViolation } from '../../support/edge-function.ts'
import { signForBucket } from './origin-access.ts'

const LONGEST_URL = 8_192
const MOST_HEADERS = 20_480
const HOP_BY_HOP = ['connection', 'expect', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade']

const edge = (name: string) =>
  new EdgeFunction(fileURLToPath(new URL(`../../../infra/edge/${name}.js`, import.meta.url)))

export type OriginId = 'api' | 'bucket' | 'relay'

/** What passed one way. */
export interface Passage {
  readonly origin: OriginId | 'edge'
  readonly method: string
  /** Of the viewer, without its query. */
  readonly path: string
  readonly status: number
  /** Bytes of the bodies. */
  readonly bytesIn: number
  readonly bytesOut: number
}

export interface Distribution {
  readonly ports: { readonly api: number; readonly bucket: number; readonly relay?: number }
  /** The items of the KeyValueStore. */
  readonly items: Readonly<Record<string, string>>
  /** What `x-longshore-edge` says to API and relay. */
  readonly header: string
  /** How the bucket is reached: in path style, by this name. */
  readonly bucket: string
  readonly region: string
  readonly credentials: Credentials
  /** Which request the viewer-response function is shown, which is not established. */
  readonly shows: 'viewer' | 'origin'
  /** Headers that are lost on the way to the bucket. */
  readonly drops: readonly string[]
}

/**
 * A CloudFront distribution with the behaviors of `infra/constructs/edge.ts` and our own two functions. It streams, and
 * caches nothing: what is in a cache cannot show that the way behind it works.
 */
export class CloudFront {
  readonly #distribution: Distribution
  readonly #server: Server
  readonly #viewerRequest = edge('viewer-request')
  readonly #viewerResponse = edge('viewer-response')
  readonly passages: Passage[] = []

  private constructor(distribution: Distribution) {
    this.#distribution = distribution
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
    if (url.length > LONGEST_URL) return say(request, response, 414, 'The URL is too long')
    const headers = pairsOf(request.rawHeaders)
    if (headers.flat().join('').length > MOST_HEADERS)
      return say(request, response, 494, 'The headers are too long')
    const passed = { bytesIn: 0, bytesOut: 0 }
    request.on('data', (piece: Buffer) => {
      passed.bytesIn += piece.length
    })
    request.pause()
    const note = (origin: Passage['origin'], status: number) =>
      this.passages.push({ origin, method, path: url.split('?')[0] ?? '', status, ...passed })
    const { items } = this.#distribution
    const viewer = toEdgeRequest(method, url, headers)
    const decision = await this.#viewerRequest
      .viewerRequest(structuredClone(viewer), { items })
      .catch((error: unknown) => {
        if (error instanceof EdgeViolation) return undefined
        throw error
      })
    if (!decision) return say(request, response, 502, 'The function did what it may not do')
    if ('response' in decision) {
      const { statusCode } = decision.response
      request.resume()
      writeHead(response, statusCode, headersOf(decision.response))
      const body = bodyOf(decision.response) ?? Buffer.alloc(0)
      passed.bytesOut = method === 'HEAD' ? 0 : body.length
      response.end(method === 'HEAD' ? undefined : body)
      note('edge', statusCode)
      return
    }

    const origin = (decision.origin ?? (url.startsWith('/pull/') ? 'bucket' : 'api')) as OriginId
    const answer = await this.#ask(origin, decision.request, request)
    if (!answer) return say(request, response, 502, 'The origin does not answer')
    const status = answer.statusCode ?? 502
    const shown = this.#distribution.shows === 'viewer' ? viewer : decision.request
    const out = await this.#finish(shown, answer)
    writeHead(response, out.statusCode, headersOf(out))
    answer.on('data', (piece: Buffer) => {
      passed.bytesOut += piece.length
    })
    await pipeline(answer, response)
    note(origin, status)
  }

  /** The origin's answer, once its head is there. The viewer's body goes on as it comes. */
  async #ask(origin: OriginId, rewritten: EdgeRequest, viewer: IncomingMessage) {
    const { ports, header, bucket, region, credentials, drops } = this.#distribution
    const port = ports[origin]
    if (port === undefined) return undefined
    const host = `127.0.0.1:${port}`
    const target = origin === 'bucket' ? `/${bucket}${targetOf(rewritten)}` : targetOf(rewritten)
    const headers = forwarded(headersOf(rewritten), viewer)
    for (const name of drops) delete headers[name]
    const { method } = rewritten
    const outgoing =
      origin === 'bucket'
        ? await signForBucket({ method, host, path: target, headers }, credentials, region)
        : { ...headers, host, 'x-longshore-edge': header }
    // A bucket refuses by the head what is there already, and resets the connection on the body: Node would lose the answer.
    const isRefused = outgoing['if-none-match'] === '*' && (await this.#isTaken(target))
    const head = isRefused ? { ...outgoing, 'content-length': '0' } : outgoing
    const request = send({ host: '127.0.0.1', port, method, path: target, headers: head, agent: false })
    const answered = (once(request, 'response') as Promise<[IncomingMessage]>).then(
      ([answer]) => answer,
      () => undefined,
    )
    if (isRefused) {
      viewer.resume()
      request.end()
    } else pipeline(viewer, request).catch(() => {}) // it may answer before it has read all
    return answered
  }

  async #isTaken(path: string): Promise<boolean> {
    const { ports, region, credentials } = this.#distribution
    const host = `127.0.0.1:${ports.bucket}`
    const headers = await signForBucket({ method: 'HEAD', host, path, headers: {} }, credentials, region)
    const request = send({
      host: '127.0.0.1',
      port: ports.bucket,
      method: 'HEAD',
      path,
      headers,
      agent: false,
    })
    request.end()
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    answer.resume()
    return answer.statusCode === 200
  }

  async #finish(shown: EdgeRequest, answer: IncomingMessage): Promise<EdgeResponse> {
    const headers = toEdgeHeaders(
      pairsOf(answer.rawHeaders).filter(([name]) => !HOP_BY_HOP.includes(name.toLowerCase())),
    )
    const statusCode = answer.statusCode ?? 502
    const response: EdgeResponse = { statusCode, headers }
    if (statusCode >= 400) return response
    return this.#viewerResponse.viewerResponse(shown, response, { items: this.#distribution.items })
  }
}

/** What goes to an origin: all viewer headers but Host, and who asked. */
function forwarded(headers: HeaderList, viewer: IncomingMessage): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of headers) {
    if (name === 'host' || HOP_BY_HOP.includes(name)) continue
    kept[name] = kept[name] === undefined ? value : `${kept[name]}, ${value}`
  }
  const hops = [kept['x-forwarded-for'], viewer.socket.remoteAddress].filter(Boolean).join(', ')
  return { ...kept, 'x-forwarded-for': hops, via: '1.1 emulated.cloudfront.net (CloudFront)' }
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

/** CloudFront's own pages are HTML. */
function say(request: IncomingMessage, response: ServerResponse, status: number, why: string): void {
  request.resume()
  response.writeHead(status, { 'content-type': 'text/html', server: 'CloudFront' })
  response.end(request.method === 'HEAD' ? undefined : `<h1>${status} ERROR</h1>${why}`)
}
