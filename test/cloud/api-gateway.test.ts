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

/** What is recorded of the real one (AWS's documentation, its own test tool, captures of live answers), held against ours. */
describe('the stand-in for API Gateway', () => {
  let gateway: ApiGateway
  let events: Event[]
  let answer: (event: Event) => unknown

  const start = async (headLength?: HeadLength) => {
    const invoke = async (event: unknown) => {
      events.push(event as Event)
      return answer(event as Event)
    }
    gateway = await ApiGateway.start({ invoke }, headLength)
  }
  beforeEach(async () => {
    events = []
    answer = () => ({ statusCode: 200 })
    await start()
  })
  afterEach(() => gateway.stop())

  /** @param headers names and values as they go out, in turn */
  const ask = (method: string, path: string, headers: string[] = [], body?: Buffer) => {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const all = ['host', 'gateway', ...headers, ...(body ? ['content-length', `${body.length}`] : [])]
    const sent = request({ host: '127.0.0.1', port: gateway.port, method, path, headers: all, agent: false })
    sent.on('error', reject).on('response', async reply => {
      const pieces: Buffer[] = []
      for await (const piece of reply) pieces.push(piece)
      const { statusCode: status = 0, headers } = reply
      resolve({ status, headers, text: Buffer.concat(pieces).toString() })
    })
    sent.end(body)
    return promise
  }
  const eventOf = async (...sent: Parameters<typeof ask>) => {
    await ask(...sent)
    const event = events.at(-1)
    if (!event) throw new Error('the function was not called')
    return event
  }

  describe('tells the function', () => {
    it.each([
      ['/v2/a/b/', '/v2/a/b/'],
      ['/v2/%61%2Fb', '/v2/a/b'],
      ['/v2/a%3Fb/tags', '/v2/a'],
      ['/v2/a%zz', '/v2/a%zz'],
    ])('of %s the path %s', async (sent, told) => {
      expect((await eventOf('GET', sent)).rawPath).toBe(told)
    })

    it('the query as it came, and decoded with what is there twice joined', async () => {
      const event = await eventOf('GET', '/v2/?a=1&a=2&digest=sha256%3Aff&b=x+y')

      expect(event.rawQueryString).toBe('a=1&a=2&digest=sha256%3Aff&b=x+y')
      expect(event.queryStringParameters).toEqual({ a: '1,2', digest: 'sha256:ff', b: 'x y' })
    })

    it('headers in lower case, those that came twice joined, and cookies apart', async () => {
      const event = await eventOf('GET', '/', ['Accept', 'a/b', 'ACCEPT', 'c/d', 'Cookie', 'x=1; y=2'])

      expect(event.headers).toMatchObject({ accept: 'a/b,c/d' })
      expect(event.headers).not.toHaveProperty('cookie')
      expect(event.cookies).toEqual(['x=1', 'y=2'])
    })

    it('of a request without a body that it is text', async () => {
      const event = await eventOf('POST', '/', ['content-length', '0'])

      expect(event.headers['content-type']).toBe('text/plain; charset=utf-8')
      expect(event).not.toHaveProperty('body')
      expect(event.isBase64Encoded).toBe(false)
    })

    it.each([
      ['JSON as text', 'application/json', Buffer.from('{"ö":1}'), false],
      ['text that is not UTF-8 in base64', 'text/plain', Buffer.from([0xff, 0xfe]), true],
      ['a manifest in base64', 'application/vnd.oci.image.manifest.v1+json', Buffer.from('{}'), true],
      ['bytes of no type in base64', '', Buffer.from('bytes'), true],
    ])('%s', async (_, type, body, isBase64Encoded) => {
      const event = await eventOf('PUT', '/', type ? ['content-type', type] : [], body)

      expect(event.isBase64Encoded).toBe(isBase64Encoded)
      expect(Buffer.from(event.body ?? '', isBase64Encoded ? 'base64' : 'utf8')).toEqual(body)
    })
  })

  describe('answers', () => {
    it.each([
      ['without a type as text', { statusCode: 200, body: 'a' }, 200, 'text/plain;charset=UTF-8', 'a'],
      ['without a status as JSON', { found: 1 }, 200, 'application/json', '{"found":1}'],
      ['nothing as JSON', undefined, 200, 'application/json', 'null'],
      ['base64 as bytes', { statusCode: 201, body: 'YQ==', isBase64Encoded: true }, 201, /^text/, 'a'],
    ])('%s', async (_, result, status, type, text) => {
      answer = () => result
      const reply = await ask('GET', '/')

      expect([reply.status, reply.text]).toEqual([status, text])
      expect(reply.headers['content-type']).toMatch(type)
      expect(reply.headers['content-length']).toBe(String(text.length))
    })

    it("a 401 with the function's own challenge", async () => {
      const challenge = 'Bearer realm="https://registry.example/token",service="registry.example"'
      answer = () => ({ statusCode: 401, headers: { 'www-authenticate': challenge } })

      expect((await ask('GET', '/')).headers['www-authenticate']).toBe(challenge)
    })

    it('cookies one by one', async () => {
      answer = () => ({ statusCode: 200, cookies: ['a=1', 'b=2'] })

      expect((await ask('GET', '/')).headers['set-cookie']).toEqual(['a=1', 'b=2'])
    })

    it.each([
      ['counted', '5'],
      ['said', '7'],
    ] as const)('a HEAD with the length that is %s, and no body', async (headLength, length) => {
      gateway.stop()
      await start(headLength)
      answer = () => ({ statusCode: 200, headers: { 'content-length': '7' }, body: '12345' })
      const reply = await ask('HEAD', '/')

      expect([reply.headers['content-length'], reply.text]).toEqual([length, ''])
    })
  })

  describe('says in its own words', () => {
    const saying = (message: string) => JSON.stringify({ message })

    it.each([
      ['413 to an event that Lambda does not take', new RequestTooLarge(), 413, 'Request Entity Too Large'],
      ['500 when the function fails', new FunctionFailed(), 500, 'Internal Server Error'],
      ['503 when Lambda has no room', new TooManyRequests(), 503, 'Service Unavailable'],
    ])('%s', async (_, error, status, message) => {
      answer = () => Promise.reject(error)
      const reply = await ask('GET', '/')

      expect([reply.status, reply.text]).toEqual([status, saying(message)])
      expect(reply.headers['content-type']).toBe('application/json')
    })

    it.each([
      ['whose status is no number', { statusCode: 'ok' }],
      ['with a header that is no string', { statusCode: 200, headers: { 'content-length': 3 } }],
      ['with 10 KB of headers', { statusCode: 200, headers: { long: 'x'.repeat(10_240) } }],
    ])('500 to a result %s', async (_, result) => {
      answer = () => result

      expect(await ask('GET', '/')).toMatchObject({ status: 500, text: saying('Internal Server Error') })
    })

    it('413 to a body of more than 10 MB, whether its length is told or not, and calls nobody', async () => {
      const [most, more] = [Buffer.alloc(10 * MiB), Buffer.alloc(10 * MiB + 1)]

      expect((await ask('PUT', '/', [], most)).status).toBe(200)
      expect(await ask('PUT', '/', [], more)).toMatchObject({
        status: 413,
        text: saying('Request Entity Too Large'),
      })
      const { port } = gateway
      const chunked = await fetch(`http://127.0.0.1:${port}`, {
        method: 'PUT',
        body: new Blob([more]).stream(),
        duplex: 'half',
      } as RequestInit)
      expect(chunked.status).toBe(413)
      expect(events).toHaveLength(1)
    })

    it('431 to 10 KB of headers', async () => {
      expect((await ask('GET', '/', ['x', 'x'.repeat(10_100)])).status).toBe(200)
      expect((await ask('GET', '/', ['x', 'x'.repeat(10_240)])).status).toBe(431)
    })

    it('503 after 30 seconds', async () => {
      const called = Promise.withResolvers<void>()
      answer = () => {
        called.resolve()
        return new Promise(() => {})
      }
      vi.useFakeTimers({ toFake: ['setTimeout'] })
      try {
        const reply = ask('GET', '/')
        await called.promise
        vi.advanceTimersByTime(29_999)
        const waiting = vi.getTimerCount()
        vi.advanceTimersByTime(1)

        expect(waiting).toBe(1)
        expect(await reply).toMatchObject({ status: 503, text: saying('Service Unavailable') })
      } finally {
        vi.useRealTimers()
      }
    })
  })
})
