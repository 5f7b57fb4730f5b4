import { once } from 'node:events'
import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createGateway, type GatewayEvent } from '../../lambda/http/api-gateway.ts'
import type { App } from '../../lambda/http/app.ts'
import type { HttpResponse } from '../../lambda/http/message.ts'
import { ApiGateway } from '../cloud/emulator/api-gateway.ts'
import { PAYLOAD_LIMIT } from '../cloud/emulator/lambda.ts'
import { openServer, type TestServer } from '../server/support.ts'
import { collect } from '../support/bytes.ts'
import { digest, imageOf } from '../support/content.ts'
import { runs } from '../support/property-runs.ts'
import { openRegistry } from '../support/registry.ts'

interface SentRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Uint8Array
  /** Whether the body is sent without a Content-Length. */
  readonly chunked?: boolean
}

interface ReceivedResponse {
  readonly status: number | undefined
  readonly headers: IncomingMessage['headers']
  readonly bytes: Buffer
}

async function send(
  port: number,
  { method, target, headers = {}, body, chunked }: SentRequest,
): Promise<ReceivedResponse> {
  const length = body && !chunked ? { 'content-length': body.length } : {}
  const options = {
    port,
    host: '127.0.0.1',
    method,
    path: target,
    headers: { ...headers, ...length },
    agent: false,
  }
  const outgoing = request(options)
  if (body && chunked) outgoing.write(body)
  outgoing.end(chunked ? undefined : body)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  return { status: incoming.statusCode, headers: incoming.headers, bytes: await collect(incoming) }
}

/**
 * Starts an emulated API Gateway in front of an app. The Lambda function runs in this process, and its events and
 * results pass through JSON.
 * @param headLength the Content-Length of a response to HEAD: `said` is the app's, `counted` is that of the removed
 * body
 */
function behindGateway(app: App, headLength: 'counted' | 'said'): Promise<ApiGateway> {
  const gateway = createGateway({ app, log: () => {}, clock: Date.now })
  return ApiGateway.start(
    {
      async invoke(event) {
        const result = JSON.stringify(await gateway(JSON.parse(JSON.stringify(event)) as GatewayEvent))
        expect(result.length).toBeLessThan(PAYLOAD_LIMIT)
        return JSON.parse(result)
      },
    },
    headLength,
  )
}

describe.each(['counted', 'said'] as const)(
  'the API Gateway adapter, with a HEAD length that is %s,',
  headLength => {
    const received: unknown[] = []
    let response: HttpResponse
    let gateway: ApiGateway
    let local: TestServer

    const app: App = async ({ method, path, query, headers, body }) => {
      const bytes = await collect(body)
      const own = Object.entries(headers).filter(([name]) => /^x-[a-z]$|^accept$|^content-type$/.test(name))
      const values = own.map(([name, value]) => [name, value?.replace(/, */g, ',')])
      received.push({ method, path, query: [...query], headers: Object.fromEntries(values), bytes })
      return { response }
    }

    beforeAll(async () => {
      gateway = await behindGateway(app, headLength)
      local = await openServer(app)
    })
    afterAll(async () => {
      gateway.stop()
      await local[Symbol.asyncDispose]()
    })

    const text = fc.string({ unit: 'grapheme', maxLength: 8 })
    // No `?`: the path of an event ends there, and no name, tag or digest contains one. No `/`: the edge refuses %2F.
    const path = fc
      .array(text.map(one => encodeURIComponent(one.replace(/[?/]/g, ''))))
      .map(all => `/${all.join('/')}`)
    const query = fc
      .array(fc.tuple(fc.constantFrom('digest', 'tag', 'n', 'ä+'), text))
      .map(pairs => pairs.map(pair => pair.map(encodeURIComponent).join('=')).join('&'))
    const value = fc.stringMatching(/^([!-~]([ -~]{0,20}[!-~])?)?$/)
    const name = fc.constantFrom('x-a', 'X-B', 'x-c')
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 })
    const type = fc.constantFrom('application/json', 'application/octet-stream', 'text/plain', 'a/b')

    it('passes requests to the app as the local server does', async () => {
      const headers = fc.dictionary(name, fc.oneof(value, fc.array(value, { minLength: 2, maxLength: 3 })), {
        maxKeys: 3,
      })
      const sent = fc.oneof(
        fc.record({ method: fc.constantFrom('GET', 'HEAD', 'DELETE'), headers }),
        fc.record({ method: fc.constantFrom('POST', 'PUT', 'PATCH'), headers }),
        fc
          .record({
            method: fc.constantFrom('POST', 'PUT', 'PATCH'),
            headers,
            body: bytes,
            chunked: fc.boolean(),
            type,
          })
          .map(({ type, ...sent }) => ({ ...sent, headers: { ...sent.headers, 'content-type': type } })),
      )
      response = { status: 204, headers: {} }
      await fc.assert(
        fc.asyncProperty(sent, path, query, async (sent, path, query) => {
          const request = { ...sent, target: `${path}?${query}` }
          received.splice(0)
          await send(gateway.port, request)
          await send(local.port, request)
          expect(received).toHaveLength(2)
          expect(received[0]).toEqual(received[1])
        }),
        { numRuns: runs(200) },
      )
    })

    it('passes responses to the client as the local server does', async () => {
      const headers = fc.dictionary(name, value, { maxKeys: 3 })
      const withBody = fc.record({
        status: fc.constantFrom(200, 206, 400, 404, 503),
        headers,
        body: bytes,
        type,
      })
      const withoutBody = fc.record({ status: fc.constantFrom(201, 202, 307), headers })
      const withoutLength = fc.record({ status: fc.constantFrom(204, 304), headers })
      const responses: fc.Arbitrary<HttpResponse> = fc.oneof(
        withBody.map(({ status, headers, body, type }) => {
          const content = { 'content-type': type, 'content-length': String(body.length) }
          return { status, headers: { ...headers, ...content }, body }
        }),
        withoutBody.map(({ status, headers }) => ({
          status,
          headers: { ...headers, 'content-length': '0' },
        })),
        withoutLength,
      )
      const comparable = ({ status, headers, bytes }: ReceivedResponse, sent: HttpResponse) => {
        const names = [...Object.keys(sent.headers), 'content-length'].map(name => name.toLowerCase())
        return { status, bytes, headers: names.map(name => [name, headers[name]]) }
      }
      await fc.assert(
        fc.asyncProperty(fc.constantFrom('GET', 'HEAD', 'PUT'), responses, async (method, sent) => {
          const { body, ...head } = sent
          response = method === 'HEAD' ? head : sent
          const fromGateway = comparable(await send(gateway.port, { method, target: '/' }), sent)
          const fromServer = comparable(await send(local.port, { method, target: '/' }), sent)
          expect(fromGateway).toEqual(fromServer)
          if (method !== 'HEAD')
            expect(fromGateway.bytes).toEqual(Buffer.from(body instanceof Uint8Array ? body : []))
        }),
        { numRuns: runs(200) },
      )
    })
  },
)

describe.each(['counted', 'said'] as const)(
  'a registry behind API Gateway, with a HEAD length that is %s,',
  headLength => {
    const registry = openRegistry()
    const app: App = ({ method, path, query, headers, body }) =>
      registry.exchange(method, `${path}?${query}`, { headers: headers as Record<string, string>, body })
    let gateway: ApiGateway
    beforeAll(async () => {
      gateway = await behindGateway(app, headLength)
    })
    afterAll(() => gateway.stop())

    const IMAGE = 'application/vnd.oci.image.manifest.v1+json'
    const config = Buffer.from([0, 255, 128])
    const layer = Buffer.from('layer')
    const manifest = Buffer.from(imageOf(['config', 'layer']))

    const call = (method: string, target: string, options: Partial<SentRequest> = {}) =>
      send(gateway.port, { method, target, ...options })

    it('accepts a blob in chunks, and in one request', async () => {
      const session = (await call('POST', '/v2/a/blobs/uploads/')).headers.location ?? ''
      const patched = await call('PATCH', session, { body: config, chunked: true })
      const closing = `${patched.headers.location}?digest=${encodeURIComponent(digest(config))}`
      const closed = await call('PUT', closing)
      expect([patched.status, patched.headers.range, closed.status]).toEqual([202, '0-2', 201])

      const whole = await call('POST', `/v2/a/blobs/uploads/?digest=${digest(layer)}`, { body: layer })
      expect([whole.status, whole.headers['docker-content-digest']]).toEqual([201, digest(layer)])
      expect((await call('GET', `/v2/a/blobs/${digest(config)}`)).bytes).toEqual(config)
    })

    it('sends the same headers for HEAD and GET of a manifest', async () => {
      for (const blob of ['{}', 'config', 'layer'])
        await call('POST', `/v2/a/blobs/uploads/?digest=${digest(blob)}`, { body: Buffer.from(blob) })
      const put = { headers: { 'content-type': IMAGE }, body: manifest }
      expect((await call('PUT', '/v2/a/manifests/v1', put)).status).toBe(201)

      const head = await call('HEAD', '/v2/a/manifests/v1')
      const get = await call('GET', '/v2/a/manifests/v1')
      expect(get.bytes).toEqual(manifest)
      for (const name of ['content-length', 'content-type', 'docker-content-digest', 'etag'])
        expect([name, head.headers[name]]).toEqual([name, get.headers[name]])
      expect(head.headers['content-length']).toBe(String(manifest.length))
      expect(head.bytes).toHaveLength(0)
    })

    it('lists tags in pages', async () => {
      for (const tag of ['v2', 'v3'])
        await call('PUT', `/v2/a/manifests/${tag}`, { headers: { 'content-type': IMAGE }, body: manifest })
      const first = await call('GET', '/v2/a/tags/list?n=1')
      const [, next = ''] = /^<([^>]+)>/.exec(String(first.headers.link)) ?? []
      const second = await call('GET', next)
      expect([first, second].map(({ bytes }) => JSON.parse(bytes.toString()).tags)).toEqual([['v1'], ['v2']])
    })

    it('sends error documents, and their length to a HEAD', async () => {
      const get = await call('GET', '/v2/a/manifests/missing')
      const head = await call('HEAD', '/v2/a/manifests/missing')
      expect(JSON.parse(get.bytes.toString()).errors[0].code).toBe('MANIFEST_UNKNOWN')
      expect([head.status, head.headers['content-length']]).toEqual([404, get.headers['content-length']])
    })
  },
)
