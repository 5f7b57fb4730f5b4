import { type IncomingHttpHeaders, request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiGateway, type HeadLength } from './emulator/api-gateway.ts'
import { FunctionFailed, RequestTooLarge, TooManyRequests } from './emulator/lambda.ts'

const MiB = 2 ** 20

interface Event {
  readonly rawPath: string
  readonly rawQueryString: string
  readonly queryStringParameters?: Record<string, string>
  readonly headers: Record<string, string>
  readonly cookies?: string[]
  readonly body?: string
  readonly isBase64Encoded: boolean
}

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Compares it with the recorded behaviour of the service: AWS's documentation, its test tool, captured responses. */
describe('the emulated API Gateway', () => {
  let gateway: ApiGateway
  let events: Event[]
  let handle: (event: Event) => unknown

  const start = async (headLength?: HeadLength) => {
    const invoke = async (event: unknown) => {
      events.push(event as Event)
      return handle(event as Event)
    }
    gateway = await ApiGateway.start({ invoke }, headLength)
  }
  beforeEach(async () => {
    events = []
    handle = () => ({ statusCode: 200 })
    await start()
  })
  afterEach(() => gateway.stop())

  /** @param headers names and values in alternation, as they are sent */
  const send = (method: string, path: string, headers: string[] = [], body?: Buffer) => {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const all = ['host', 'gateway', ...headers, ...(body ? ['content-length', `${body.length}`] : [])]
    const sent = request({ host: '127.0.0.1', port: gateway.port, method, path, headers: all, agent: false })
    sent.on('error', reject).on('response', async reply => {
      const chunks: Buffer[] = []
      for await (const chunk of reply) chunks.push(chunk)
      const { statusCode: status = 0, headers } = reply
      resolve({ status, headers, text: Buffer.concat(chunks).toString() })
    })
    sent.end(body)
    return promise
  }
  const eventOf = async (...sent: Parameters<typeof send>) => {
    await send(...sent)
    const event = events.at(-1)
    if (!event) throw new Error('the function was not called')
    return event
  }

  describe('passes to the function', () => {
    it.each([
      ['/v2/a/b/', '/v2/a/b/'],
      ['/v2/%61%2Fb', '/v2/a/b'],
      ['/v2/a%3Fb/tags', '/v2/a'],
      ['/v2/a%zz', '/v2/a%zz'],
    ])('for %s the path %s', async (sent, rawPath) => {
      expect((await eventOf('GET', sent)).rawPath).toBe(rawPath)
    })

    it('the raw query, and the decoded parameters with repeated ones joined', async () => {
      const event = await eventOf('GET', '/v2/?a=1&a=2&digest=sha256%3Aff&b=x+y')

      expect(event.rawQueryString).toBe('a=1&a=2&digest=sha256%3Aff&b=x+y')
      expect(event.queryStringParameters).toEqual({ a: '1,2', digest: 'sha256:ff', b: 'x y' })
    })

    it('headers in lower case with repeated ones joined, and cookies separately', async () => {
      const event = await eventOf('GET', '/', ['Accept', 'a/b', 'ACCEPT', 'c/d', 'Cookie', 'x=1; y=2'])

      expect(event.headers).toMatchObject({ accept: 'a/b,c/d' })
      expect(event.headers).not.toHaveProperty('cookie')
      expect(event.cookies).toEqual(['x=1', 'y=2'])
    })

    it('the type text/plain for a request without a body', async () => {
      const event = await eventOf('POST', '/', ['content-length', '0'])

      expect(event.headers['content-type']).toBe('text/plain; charset=utf-8')
      expect(event).not.toHaveProperty('body')
      expect(event.isBase64Encoded).toBe(false)
    })

    it.each([
      ['JSON as text', 'application/json', Buffer.from('{"ö":1}'), false],
      ['text that is not UTF-8 in base64', 'text/plain', Buffer.from([0xff, 0xfe]), true],
      ['a manifest in base64', 'application/vnd.oci.image.manifest.v1+json', Buffer.from('{}'), true],
      ['a body without a type in base64', '', Buffer.from('bytes'), true],
    ])('%s', async (_, type, body, isBase64Encoded) => {
      const event = await eventOf('PUT', '/', type ? ['content-type', type] : [], body)

      expect(event.isBase64Encoded).toBe(isBase64Encoded)
      expect(Buffer.from(event.body ?? '', isBase64Encoded ? 'base64' : 'utf8')).toEqual(body)
    })
  })

  describe('responds', () => {
    it.each([
      [
        'to a result without a type with text',
        { statusCode: 200, body: 'a' },
        200,
        'text/plain;charset=UTF-8',
        'a',
      ],
      ['to a result without a status with JSON', { found: 1 }, 200, 'application/json', '{"found":1}'],
      ['to no result with JSON', undefined, 200, 'application/json', 'null'],
      ['to base64 with bytes', { statusCode: 201, body: 'YQ==', isBase64Encoded: true }, 201, /^text/, 'a'],
    ])('%s', async (_, result, status, type, text) => {
      handle = () => result
      const reply = await send('GET', '/')

      expect([reply.status, reply.text]).toEqual([status, text])
      expect(reply.headers['content-type']).toMatch(type)
      expect(reply.headers['content-length']).toBe(String(text.length))
    })

    it("with the function's challenge to a 401", async () => {
      const challenge = 'Bearer realm="https://registry.example/token",service="registry.example"'
      handle = () => ({ statusCode: 401, headers: { 'www-authenticate': challenge } })

      expect((await send('GET', '/')).headers['www-authenticate']).toBe(challenge)
    })

    it('with a header for each cookie', async () => {
      handle = () => ({ statusCode: 200, cookies: ['a=1', 'b=2'] })

      expect((await send('GET', '/')).headers['set-cookie']).toEqual(['a=1', 'b=2'])
    })

    it.each([
      ['counted', '5'],
      ['said', '7'],
    ] as const)('to HEAD with the length that is %s, and no body', async (headLength, length) => {
      gateway.stop()
      await start(headLength)
      handle = () => ({ statusCode: 200, headers: { 'content-length': '7' }, body: '12345' })
      const reply = await send('HEAD', '/')

      expect([reply.headers['content-length'], reply.text]).toEqual([length, ''])
    })
  })

  describe('responds in its own error format with', () => {
    const errorBody = (message: string) => JSON.stringify({ message })

    it.each([
      [
        '413 to an event that is too large for Lambda',
        new RequestTooLarge(),
        413,
        'Request Entity Too Large',
      ],
      ['500 when the function fails', new FunctionFailed(), 500, 'Internal Server Error'],
      ['503 when Lambda has no free environment', new TooManyRequests(), 503, 'Service Unavailable'],
    ])('%s', async (_, error, status, message) => {
      handle = () => Promise.reject(error)
      const reply = await send('GET', '/')

      expect([reply.status, reply.text]).toEqual([status, errorBody(message)])
      expect(reply.headers['content-type']).toBe('application/json')
    })

    it.each([
      ['whose status is not a number', { statusCode: 'ok' }],
      ['with a header that is not a string', { statusCode: 200, headers: { 'content-length': 3 } }],
      ['with 10 KB of headers', { statusCode: 200, headers: { long: 'x'.repeat(10_240) } }],
    ])('500 to a result %s', async (_, result) => {
      handle = () => result

      expect(await send('GET', '/')).toMatchObject({ status: 500, text: errorBody('Internal Server Error') })
    })

    it('413 to a body of more than 10 MB, with or without a length, and does not invoke the function', async () => {
      const [maximal, tooLarge] = [Buffer.alloc(10 * MiB), Buffer.alloc(10 * MiB + 1)]

      expect((await send('PUT', '/', [], maximal)).status).toBe(200)
      expect(await send('PUT', '/', [], tooLarge)).toMatchObject({
        status: 413,
        text: errorBody('Request Entity Too Large'),
      })
      const { port } = gateway
      const chunked = await fetch(`http://127.0.0.1:${port}`, {
        method: 'PUT',
        body: new Blob([tooLarge]).stream(),
        duplex: 'half',
      } as RequestInit)
      expect(chunked.status).toBe(413)
      expect(events).toHaveLength(1)
    })

    it('431 to 10 KB of headers', async () => {
      expect((await send('GET', '/', ['x', 'x'.repeat(10_100)])).status).toBe(200)
      expect((await send('GET', '/', ['x', 'x'.repeat(10_240)])).status).toBe(431)
    })

    it('503 after 30 seconds', async () => {
      const invoked = Promise.withResolvers<void>()
      handle = () => {
        invoked.resolve()
        return new Promise(() => {})
      }
      vi.useFakeTimers({ toFake: ['setTimeout'] })
      try {
        const reply = send('GET', '/')
        await invoked.promise
        vi.advanceTimersByTime(29_999)
        const waiting = vi.getTimerCount()
        vi.advanceTimersByTime(1)

        expect(waiting).toBe(1)
        expect(await reply).toMatchObject({ status: 503, text: errorBody('Service Unavailable') })
      } finally {
        vi.useRealTimers()
      }
    })
  })
})
