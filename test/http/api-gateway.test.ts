import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createGateway,
  type GatewayEvent,
  MAX_BODY_BYTES,
  MAX_HEADER_BYTES,
  readEvent,
} from '../../lambda/http/api-gateway.ts'
import type { App } from '../../lambda/http/app.ts'
import type { HttpRequest, HttpResponse } from '../../lambda/http/message.ts'
import { collect } from '../support/bytes.ts'
import { digest, imageOf } from '../support/content.ts'
import { openRegistry } from '../support/registry.ts'

/** The maximum size of a Lambda response, in bytes of JSON. */
const LAMBDA_LIMIT = 6_291_556

interface SentRequest {
  readonly method?: string
  readonly path?: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

/**
 * The event that an HTTP API sends for a request. A body that is not text is in base64. A request without a body has
 * the content type text/plain.
 */
function eventOf({
  method = 'GET',
  path = '/v2/',
  query = '',
  headers = {},
  body,
}: SentRequest): GatewayEvent {
  const text = body && Buffer.from(body).toString('utf8')
  const isText = body !== undefined && Buffer.from(text ?? '').equals(Buffer.from(body))
  return {
    version: '2.0',
    rawPath: path,
    rawQueryString: query,
    headers: { ...(body ? {} : { 'content-type': 'text/plain; charset=utf-8' }), ...headers },
    ...(body && { body: isText ? (text ?? '') : Buffer.from(body).toString('base64') }),
    isBase64Encoded: body !== undefined && !isText,
    requestContext: { requestId: 'id', http: { method, sourceIp: '10.0.0.1' } },
  }
}

/** Passes an event to a gateway whose app is `respond`. Returns the result and the log records. */
async function invoke(
  event: GatewayEvent,
  respond: (request: HttpRequest) => Promise<HttpResponse> | HttpResponse,
) {
  const records: { status?: number; bytesIn?: number; bytesOut?: number; message?: string }[] = []
  const app: App = async request => ({ response: await respond(request) })
  const result = await createGateway({ app, log: record => records.push(record), clock: () => 0 })(event)
  return { ...result, bytes: Buffer.from(result.body, 'base64'), records }
}

const ok: HttpResponse = { status: 200, headers: {} }

describe('readEvent', () => {
  it('preserves every byte of the body, text or not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async bytes => {
        const { headers, body } = readEvent(eventOf({ method: 'PUT', body: bytes }))
        expect(await collect(body)).toEqual(Buffer.from(bytes))
        expect(headers['content-length']).toBe(String(bytes.length))
      }),
    )
  })

  it('does not decode the path again', () => {
    fc.assert(
      fc.property(fc.string(), path => {
        expect(readEvent(eventOf({ path: `/${path}` })).path).toBe(`/${path}`)
      }),
    )
  })

  it('preserves the query: repeated names, their order, and percent-encoded characters', () => {
    const pairs = fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })))
    fc.assert(
      fc.property(pairs, pairs => {
        const query = pairs.map(pair => pair.map(encodeURIComponent).join('=')).join('&')
        expect([...readEvent(eventOf({ query })).query]).toEqual(pairs)
      }),
    )
  })

  it('preserves the headers except Transfer-Encoding', () => {
    const { headers } = readEvent(
      eventOf({
        method: 'PATCH',
        headers: { 'transfer-encoding': 'chunked', accept: 'a,b' },
        body: Buffer.of(1),
      }),
    )
    expect(headers).toEqual({ accept: 'a,b', 'content-length': '1', 'content-type': undefined })
  })

  it('drops the content type that API Gateway adds to a request without a body', () => {
    expect(readEvent(eventOf({ method: 'POST' })).headers).toEqual({ 'content-length': '0' })
  })

  it.each([
    ['203.0.113.7, 130.176.1.1', '203.0.113.7'],
    ['6.6.6.6, 203.0.113.7, 130.176.1.1', '203.0.113.7'],
    ['203.0.113.7', '10.0.0.1'],
    ['', '10.0.0.1'],
  ])('derives the client address from X-Forwarded-For %j: %s', (forwardedFor, client) => {
    expect(readEvent(eventOf({ headers: { 'x-forwarded-for': forwardedFor } })).remote).toBe(client)
  })
})

describe('a response', () => {
  it('preserves its status, its headers and every byte of its body', async () => {
    const name = fc.stringMatching(/^x-[a-z0-9-]{1,20}$/)
    const headers = fc.dictionary(name, fc.string({ maxLength: 50 }))
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 200, max: 599 }),
        headers,
        fc.uint8Array(),
        async (status, sent, body) => {
          const { statusCode, headers, bytes } = await invoke(eventOf({}), () => ({
            status,
            headers: sent,
            body,
          }))
          expect(statusCode).toBe(status)
          expect(headers).toMatchObject(sent)
          expect(bytes).toEqual(Buffer.from(body))
          for (const value of Object.values(headers)) expect(value).toBeTypeOf('string')
        },
      ),
    )
  })

  it('may consist of pieces that share one buffer', async () => {
    async function* body() {
      const piece = Buffer.from('one')
      yield piece
      piece.write('two')
      yield piece
    }
    expect((await invoke(eventOf({}), () => ({ ...ok, body: body() }))).bytes.toString()).toBe('onetwo')
  })

  it('always has a content type, because API Gateway would add a text type', async () => {
    expect((await invoke(eventOf({}), () => ok)).headers['content-type']).toBe('application/octet-stream')
  })

  it('of the maximum size fits into the limit of Lambda', async () => {
    const body = Buffer.alloc(MAX_BODY_BYTES)
    const headers = { 'x-long': '"'.repeat(MAX_HEADER_BYTES - 100) }
    const { bytes, records, ...result } = await invoke(eventOf({}), () => ({ status: 200, headers, body }))
    expect(bytes.length).toBe(MAX_BODY_BYTES)
    expect(JSON.stringify(result).length).toBeLessThan(LAMBDA_LIMIT)
  })

  it.each([
    [
      'is too large',
      async function* () {
        for (let i = 0; i < 5; i++) yield Buffer.alloc(2 ** 20)
      },
    ],
    [
      'fails while it is read',
      async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from('first piece')
        throw new Error('the store is down')
      },
    ],
  ])('whose body %s is replaced by an error document and logged as a fault', async (_, body) => {
    const { statusCode, headers, bytes, records } = await invoke(eventOf({}), () => ({
      ...ok,
      body: body(),
    }))
    expect([statusCode, headers['retry-after']]).toEqual([503, '1'])
    expect(JSON.parse(bytes.toString()).errors[0].code).toBe('UNAVAILABLE')
    expect(records[1]?.message).toMatch(/larger than 4700000 bytes|the store is down/)
  })

  it.each([
    [
      'fewer bytes than its Content-Length',
      { headers: { 'content-length': '5' }, body: Buffer.from('four') },
    ],
    ['more bytes than its Content-Length', { headers: { 'content-length': '3' }, body: Buffer.from('four') }],
    ['larger headers than API Gateway accepts', { headers: { 'x-long': 'x'.repeat(MAX_HEADER_BYTES) } }],
  ])('that has %s is replaced by an error document', async (_, response) => {
    const { statusCode, bytes, records } = await invoke(eventOf({}), () => ({ status: 200, ...response }))
    expect(statusCode).toBe(503)
    expect(JSON.parse(bytes.toString()).errors[0].code).toBe('UNAVAILABLE')
    expect(records[1]?.message).toMatch(/^the response has \d+ bytes/)
  })
})

describe('the response to a HEAD', () => {
  it('has a placeholder body of the length in Content-Length', async () => {
    const headers = { 'content-type': 'a/b', 'content-length': '1234' }
    const result = await invoke(eventOf({ method: 'HEAD' }), () => ({ status: 200, headers }))
    expect(result.headers['content-length']).toBe('1234')
    expect(result.bytes.length).toBe(1234)
    expect(result.records[0]?.bytesOut).toBe(0)
  })

  it('has a placeholder of the length of the body that it leaves out', async () => {
    const { bytes } = await invoke(eventOf({ method: 'HEAD' }), () => ({ ...ok, body: Buffer.from('four') }))
    expect(bytes.length).toBe(4)
  })

  it('closes a body that is not sent', async () => {
    let closed = 0
    const iterator = {
      next: async () => ({ done: true, value: undefined }) as const,
      return: async () => {
        closed++
        return { done: true, value: undefined } as const
      },
    }
    const body = { [Symbol.asyncIterator]: () => iterator }
    await invoke(eventOf({ method: 'HEAD' }), () => ({ ...ok, body }))
    expect(closed).toBe(1)
  })

  it('is an error document when the placeholder would exceed the limit of Lambda', async () => {
    const headers = { 'content-length': String(MAX_BODY_BYTES + 1) }
    const result = await invoke(eventOf({ method: 'HEAD' }), () => ({ status: 200, headers }))
    expect(result.statusCode).toBe(503)
    expect(result.bytes.length).toBe(Number(result.headers['content-length']))
  })

  it.each([
    ['a redirect', { status: 307, headers: { location: '/x', 'content-length': '0' } }],
    ['304 Not Modified', { status: 304, headers: {} }],
    ['304 Not Modified with a Content-Length', { status: 304, headers: { 'content-length': '9' } }],
  ])('has no placeholder when it is %s', async (_, response) => {
    expect((await invoke(eventOf({ method: 'HEAD' }), () => response)).bytes.length).toBe(0)
  })

  it('has a placeholder of the length of the error document that it leaves out', async () => {
    const registry = openRegistry()
    const app: App = request => registry.exchange(request.method, request.path)
    const result = await createGateway({ app, log: () => {}, clock: () => 0 })(
      eventOf({ method: 'HEAD', path: '/v2/a/manifests/missing' }),
    )
    expect(result.statusCode).toBe(404)
    expect(Buffer.from(result.body, 'base64').length).toBe(Number(result.headers['content-length']))
  })
})

it.each([
  ['format 1.0', { version: '1.0', httpMethod: 'GET', path: '/v2/', requestContext: {} }],
  ['a schedule', { source: 'aws.events' }],
])('createGateway rejects an event of %s', async (_, event) => {
  await expect(invoke(event as unknown as GatewayEvent, () => ok)).rejects.toThrow(/payload format 2\.0$/)
})

it('createGateway logs a request as the local server does', async () => {
  const event = eventOf({ method: 'PUT', headers: { 'user-agent': 'client' }, body: Buffer.from('four') })
  const { records, headers } = await invoke(event, () => ({ ...ok, body: Buffer.from('three') }))
  expect(records).toEqual([
    expect.objectContaining({
      status: 200,
      method: 'PUT',
      agent: 'client',
      bytesIn: 4,
      bytesOut: 5,
      requestId: 'id',
    }),
  ])
  expect(headers['x-request-id']).toBe('id')
})

it('createGateway serves a push and a pull', async () => {
  const registry = openRegistry()
  const app: App = ({ method, path, query, headers, body }) =>
    registry.exchange(method, `${path}?${query}`, { headers: headers as Record<string, string>, body })
  const gateway = createGateway({ app, log: () => {}, clock: () => 0 })
  const layer = Buffer.from([0, 255, 128])
  const manifest = imageOf(['config', layer.toString('latin1')])
  const send = async (request: SentRequest) => {
    const result = await gateway(eventOf(request))
    return { ...result, bytes: Buffer.from(result.body, 'base64') }
  }

  for (const body of [Buffer.from('{}'), Buffer.from('config'), Buffer.from(layer.toString('latin1'))]) {
    const { headers } = await send({ method: 'POST', path: '/v2/a/blobs/uploads/' })
    const close = {
      method: 'PUT',
      path: headers.location ?? '',
      query: `digest=${encodeURIComponent(digest(body))}`,
    }
    expect(await send({ ...close, body })).toMatchObject({ statusCode: 201 })
  }
  const type = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
  const put = { method: 'PUT', path: '/v2/a/manifests/v1', headers: type, body: Buffer.from(manifest) }
  expect(await send(put)).toMatchObject({ statusCode: 201 })
  const pulled = await send({ path: '/v2/a/manifests/v1' })
  expect([pulled.bytes.toString(), pulled.headers['content-type']]).toEqual([manifest, type['content-type']])
})

describe('the body of a response', () => {
  /** A body that counts how often it is closed. */
  function countingBody(pieces: readonly string[]) {
    const count = { closed: 0 }
    const remaining = [...pieces]
    const body: AsyncIterableIterator<Uint8Array> = {
      [Symbol.asyncIterator]: () => body,
      async next() {
        const piece = remaining.shift()
        return piece === undefined
          ? { done: true, value: undefined }
          : { done: false, value: Buffer.from(piece) }
      },
      async return() {
        count.closed++
        return { done: true, value: undefined }
      },
    }
    return { body, count }
  }

  it.each([
    ['to a GET', 'GET', { status: 200, headers: {} }],
    ['to a HEAD', 'HEAD', { status: 200, headers: { 'content-length': '5' } }],
    ['with status 304', 'GET', { status: 304, headers: {} }],
    ['that exceeds the limit of Lambda', 'HEAD', { status: 200, headers: { 'content-length': '5000000' } }],
    ['with a wrong Content-Length', 'GET', { status: 200, headers: { 'content-length': '9' } }],
    ['with too large headers', 'GET', { status: 200, headers: { a: 'x'.repeat(MAX_HEADER_BYTES) } }],
  ])('is closed after the response %s', async (_, method, response) => {
    const { body, count } = countingBody(['hello'])

    await invoke(eventOf({ method }), () => ({ ...response, body }))

    expect(count.closed).toBeGreaterThan(0)
  })
})
