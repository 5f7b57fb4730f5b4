import { once } from 'node:events'
import { type IncomingMessage, type OutgoingHttpHeaders, request as send } from 'node:http'
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

interface Asked {
  readonly method: string
  readonly target: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Uint8Array
  /** Without a length. */
  readonly chunked?: boolean
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingMessage['headers']
  readonly bytes: Buffer
}

async function ask(port: number, { method, target, headers = {}, body, chunked }: Asked): Promise<Answer> {
  const length = body && !chunked ? { 'content-length': body.length } : {}
  const options = {
    port,
    host: '127.0.0.1',
    method,
    path: target,
    headers: { ...headers, ...length },
    agent: false,
  }
  const outgoing = send(options)
  if (body && chunked) outgoing.write(body)
  outgoing.end(chunked ? undefined : body)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  return { status: incoming.statusCode, headers: incoming.headers, bytes: await collect(incoming) }
}

/** The app behind API Gateway, as far as it is known: one whose Lambda runs in this process, and gets and gives JSON. */
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
  'behind API Gateway, where the length of a HEAD is %s,',
  headLength => {
    const seen: unknown[] = []
    let response: HttpResponse
    let gateway: ApiGateway
    let local: TestServer

    const app: App = async ({ method, path, query, headers, body }) => {
      const bytes = await collect(body)
      const own = Object.entries(headers).filter(([name]) => /^x-[a-z]$|^accept$|^content-type$/.test(name))
      const values = own.map(([name, value]) => [name, value?.replace(/, */g, ',')])
      seen.push({ method, path, query: [...query], headers: Object.fromEntries(values), bytes })
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
    // At a decoded `?` the path of an event ends: no name, tag or digest has one. The edge refuses an encoded slash.
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

    it('a request is to the app what it is at the local server', async () => {
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
          const asked = { ...sent, target: `${path}?${query}` }
          seen.splice(0)
          await ask(gateway.port, asked)
          await ask(local.port, asked)
          expect(seen).toHaveLength(2)
          expect(seen[0]).toEqual(seen[1])
        }),
        { numRuns: runs(200) },
      )
    })

    it('an answer is to the client what it is from the local server', async () => {
      const headers = fc.dictionary(name, value, { maxKeys: 3 })
      const withBody = fc.record({
        status: fc.constantFrom(200, 206, 400, 404, 503),
        headers,
        body: bytes,
        type,
      })
      const withoutBody = fc.record({ status: fc.constantFrom(201, 202, 307), headers })
      const ofNoLength = fc.record({ status: fc.constantFrom(204, 304), headers })
      const responses: fc.Arbitrary<HttpResponse> = fc.oneof(
        withBody.map(({ status, headers, body, type }) => {
          const about = { 'content-type': type, 'content-length': String(body.length) }
          return { status, headers: { ...headers, ...about }, body }
        }),
        withoutBody.map(({ status, headers }) => ({
          status,
          headers: { ...headers, 'content-length': '0' },
        })),
        ofNoLength,
      )
      const told = ({ status, headers, bytes }: Answer, sent: HttpResponse) => {
        const names = [...Object.keys(sent.headers), 'content-length'].map(name => name.toLowerCase())
        return { status, bytes, headers: names.map(name => [name, headers[name]]) }
      }
      await fc.assert(
        fc.asyncProperty(fc.constantFrom('GET', 'HEAD', 'PUT'), responses, async (method, sent) => {
          const { body, ...head } = sent
          response = method === 'HEAD' ? head : sent
          const answers = [
            await ask(gateway.port, { method, target: '/' }),
            await ask(local.port, { method, target: '/' }),
          ]
          const [here, there] = answers.map(answer => told(answer, sent))
          expect(here).toEqual(there)
          if (method !== 'HEAD')
            expect(here?.bytes).toEqual(Buffer.from(body instanceof Uint8Array ? body : []))
        }),
        { numRuns: runs(200) },
      )
    })
  },
)

describe.each(['counted', 'said'] as const)(
  'a registry behind API Gateway, where the length of a HEAD is %s,',
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

    const call = (method: string, target: string, more: Partial<Asked> = {}) =>
      ask(gateway.port, { method, target, ...more })

    it('takes a blob in chunks, and in one request', async () => {
      const session = (await call('POST', '/v2/a/blobs/uploads/')).headers.location ?? ''
      const more = await call('PATCH', session, { body: config, chunked: true })
      const end = await call('PUT', `${more.headers.location}?digest=${encodeURIComponent(digest(config))}`)
      expect([more.status, more.headers.range, end.status]).toEqual([202, '0-2', 201])

      const whole = await call('POST', `/v2/a/blobs/uploads/?digest=${digest(layer)}`, { body: layer })
      expect([whole.status, whole.headers['docker-content-digest']]).toEqual([201, digest(layer)])
      expect((await call('GET', `/v2/a/blobs/${digest(config)}`)).bytes).toEqual(config)
    })

    it('tells of a manifest by HEAD what it gives by GET', async () => {
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

    it('lists tags by pages', async () => {
      for (const tag of ['v2', 'v3'])
        await call('PUT', `/v2/a/manifests/${tag}`, { headers: { 'content-type': IMAGE }, body: manifest })
      const first = await call('GET', '/v2/a/tags/list?n=1')
      const [, next = ''] = /^<([^>]+)>/.exec(String(first.headers.link)) ?? []
      const second = await call('GET', next)
      expect([first, second].map(({ bytes }) => JSON.parse(bytes.toString()).tags)).toEqual([['v1'], ['v2']])
    })

    it('says in error documents what is wrong, and to a HEAD how long they are', async () => {
      const get = await call('GET', '/v2/a/manifests/missing')
      const head = await call('HEAD', '/v2/a/manifests/missing')
      expect(JSON.parse(get.bytes.toString()).errors[0].code).toBe('MANIFEST_UNKNOWN')
      expect([head.status, head.headers['content-length']]).toEqual([404, get.headers['content-length']])
    })
  },
)
