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
import { ErrorCache, type Refusal } from './error-cache.ts'
import { signForBucket } from './origin-access.ts'
import { forwarded, HOP_BY_HOP, hearRefusal, sendOn } from './origin-request.ts'

const LONGEST_URL = 8_192
/** Of the URL and the headers together. */
const MOST_HEADERS = 20_480
const METHODS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'POST', 'DELETE']
const METHODS_OF_PULL = ['GET', 'HEAD']

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
  /** Whether there is a behavior for `/pull/*`. */
  readonly pulls: boolean
  readonly region: string
  readonly credentials: Credentials
  /** Which request the viewer-response function is shown, which is not established. */
  readonly shows: 'viewer' | 'origin'
  /** Headers that are lost on the way to the bucket. */
  readonly drops: readonly string[]
  /** Seconds for which refusals are kept. None, as `infra/constructs/edge.ts` has it, if not said. */
  readonly keepsRefusals?: number
}

/**
 * A CloudFront distribution with the behaviors of `infra/constructs/edge.ts` and our own two functions. It streams, and
 * caches nothing but refusals where it is told to: what is in a cache cannot show that the way behind it works.
 */
export class CloudFront {
  readonly #distribution: Distribution
  readonly #server: Server
  readonly #viewerRequest = new EdgeFunction(edgeFunctionCode('viewer-request'))
  readonly #viewerResponse = new EdgeFunction(edgeFunctionCode('viewer-response'))
  readonly #refusals: ErrorCache
  readonly passages: Passage[] = []
  /** Called when one more has passed. */
  onPassage: (passage: Passage) => void = () => {}

  private constructor(distribution: Distribution) {
    this.#distribution = distribution
    this.#refusals = new ErrorCache(distribution.keepsRefusals ?? 0)
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
    const passed = { bytesIn: 0, bytesOut: 0 }
    const note = (origin: Passage['origin'], status: number) => {
      const passage = { origin, method, path: url.split('?')[0] ?? '', status, ...passed }
      this.passages.push(passage)
      this.onPassage(passage)
    }
    request.on('data', (piece: Buffer) => {
      passed.bytesIn += piece.length
    })
    request.pause()
    const say = (status: number, why: string) => {
      request.resume()
      response.writeHead(status, { 'content-type': 'text/html', server: 'CloudFront' })
      // CloudFront's own pages are HTML.
      response.end(method === 'HEAD' ? undefined : `<h1>${status} ERROR</h1>${why}`)
      note('edge', status)
    }

    const headers = pairsOf(request.rawHeaders)
    if (url.length > LONGEST_URL) return say(414, 'The URL is too long')
    if (url.length + headers.flat().join('').length > MOST_HEADERS)
      return say(494, 'The headers are too long')
    const isPull = this.#distribution.pulls && url.startsWith('/pull/')
    if (!(isPull ? METHODS_OF_PULL : METHODS).includes(method)) return say(403, 'The method is not allowed')
    const { items, shows } = this.#distribution
    const viewer = toEdgeRequest(method, url, headers)
    const decision = await orFailure(this.#viewerRequest.viewerRequest(structuredClone(viewer), { items }))
    if (typeof decision === 'number') return say(decision, 'The function did what it may not do')
    const respond = (from: Passage['origin'], { status, headers, body }: Refusal) => {
      request.resume()
      passed.bytesOut = method === 'HEAD' ? 0 : body.length
      writeHead(response, status, headers)
      response.end(method === 'HEAD' ? undefined : body)
      note(from, status)
    }
    if ('response' in decision) {
      const { response: made } = decision
      const body = bodyOf(made) ?? Buffer.alloc(0)
      return respond('edge', { status: made.statusCode, headers: headersOf(made), body })
    }

    const { uri } = decision.request
    const kept = this.#refusals.of(method, uri)
    if (kept) return respond('edge', kept)
    const origin = (decision.origin ?? (isPull ? 'bucket' : 'api')) as OriginId
    const answer = await this.#ask(origin, decision.request, request)
    if (!answer) return say(502, 'The origin does not answer')
    const { statusCode: status = 502 } = answer
    if (this.#refusals.takes(method, status)) {
      const headers = headersOf({ headers: fromOrigin(answer) })
      const refusal = { status, headers, body: await buffer(answer) }
      this.#refusals.keep(method, uri, refusal)
      return respond(origin, refusal)
    }
    const out = await orFailure(this.#finish(shows === 'viewer' ? viewer : decision.request, answer))
    if (typeof out === 'number') return say(out, 'The function did what it may not do')
    writeHead(response, out.statusCode, headersOf(out))
    answer.on('data', (piece: Buffer) => {
      passed.bytesOut += piece.length
    })
    await pipeline(answer, response).finally(() => note(origin, answer.statusCode ?? 0))
  }

  /** The origin's answer, once its head is there. The viewer's body goes on as it comes. */
  async #ask(origin: OriginId, rewritten: EdgeRequest, viewer: IncomingMessage) {
    const { ports, header, bucket, region, credentials, drops } = this.#distribution
    const port = ports[origin]
    if (port === undefined) return undefined
    const host = `127.0.0.1:${port}`
    const path = origin === 'bucket' ? `/${bucket}${targetOf(rewritten)}` : targetOf(rewritten)
    const plain = forwarded(headersOf(rewritten), viewer)
    for (const name of drops) delete plain[name]
    const { method } = rewritten
    const headers =
      origin === 'bucket'
        ? await signForBucket({ method, host, path, headers: plain }, credentials, region)
        : { ...plain, host, 'x-longshore-edge': header }
    const outgoing = { host: '127.0.0.1', port, method, path, headers }
    const answer = await sendOn(outgoing, viewer)
    if (answer || origin !== 'bucket' || viewer.destroyed) return answer
    return hearRefusal(outgoing)
  }

  async #finish(shown: EdgeRequest, answer: IncomingMessage): Promise<EdgeResponse> {
    const statusCode = answer.statusCode ?? 502
    const response: EdgeResponse = { statusCode, headers: fromOrigin(answer) }
    if (statusCode >= 400) return response
    return this.#viewerResponse.viewerResponse(shown, response, { items: this.#distribution.items })
  }
}

/** What a function decided; or the status that CloudFront has for one that broke a rule (502), or broke (503). */
function orFailure<T>(decision: Promise<T>): Promise<T | 502 | 503> {
  return decision.catch(error => (error instanceof EdgeViolation ? 502 : 503))
}

/** What an origin says to the viewer, and not only to its neighbour. */
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
