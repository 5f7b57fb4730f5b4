import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { buffer, text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { ClientGone, type HttpRequest } from '../../lambda/http/message.ts'
import { RegistryError } from '../../lambda/protocol/errors.ts'
import { answering, dial, errorCode, exchangeRaw, ok, openServer, until } from './support.ts'

const MIB = 1024 * 1024

/** An app that tells what it was asked. */
const echo = answering(async request => {
  const { method, path, query } = request
  return ok(
    JSON.stringify({ method, path, query: [...query], body: (await collect(request.body)).toString() }),
  )
})

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

async function asked(port: number, target: string): Promise<unknown> {
  const raw = await exchangeRaw(port, `GET ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
  return JSON.parse(raw.slice(raw.indexOf('\r\n\r\n') + 4))
}

describe('what the app is asked', () => {
  it.each([
    [
      '/v2/a/tags/list?n=1&last=b',
      '/v2/a/tags/list',
      [
        ['n', '1'],
        ['last', 'b'],
      ],
    ],
    ['/v2/../%2e%2e//x', '/v2/../..//x', []],
    ['/v2/a%3Ab/%252F', '/v2/a:b/%2F', []],
    ['/v2/?a=%3F?b', '/v2/', [['a', '??b']]],
    ['http://elsewhere:1/v2/x?y=z', '/v2/x', [['y', 'z']]],
    ['http://elsewhere?y=z', '/', [['y', 'z']]],
  ])('%s is the path %s', async (target, path, query) => {
    await using door = await openServer(echo)
    expect(await asked(door.port, target)).toMatchObject({ path, query })
  })

  it.each(['/v2/%', '/v2/%zz', '/v2/%ff'])('%s is malformed', async target => {
    await using door = await openServer(echo)
    expect(await asked(door.port, target)).toMatchObject({ errors: [{ code: 'BAD_REQUEST' }] })
  })

  it.each([
    ['host: a\r\nHost: a', 'host'],
    ['host: a\r\nhost: b', 'host'],
    ['host: a\r\nauthorization: Basic YTpi\r\nAuthorization: Basic YTpi', 'authorization'],
    ['host: a\r\ncontent-range: 0-1\r\ncontent-range: 2-3', 'content-range'],
    ['host: a\r\ncontent-type: a/b\r\ncontent-type: c/d', 'content-type'],
  ])('with the headers %j is refused, because there are two', async (headers, name) => {
    await using door = await openServer(echo)
    const raw = await exchangeRaw(door.port, `GET / HTTP/1.1\r\n${headers}\r\nconnection: close\r\n\r\n`)
    expect(raw).toMatch(/^HTTP\/1.1 400 /)
    expect(raw).toContain(`the header ${name} must be sent once`)
  })

  it('joins a header that was sent twice', async () => {
    await using door = await openServer(answering(async ({ headers }) => ok(headers.accept ?? '')))
    const raw = await exchangeRaw(
      door.port,
      'GET / HTTP/1.1\r\nhost: a\r\naccept: x/y\r\naccept: z\r\nconnection: close\r\n\r\n',
    )
    expect(raw).toMatch(/x\/y, z$/)
  })

  it.each(['content-length', 'chunked'])('has the body, sent with %s', async how => {
    await using door = await openServer(echo)
    const headers: Record<string, string> = how === 'chunked' ? {} : { 'content-length': '6' }
    const request = httpRequest(door.url, { method: 'PUT', headers })
    request.write('abc')
    request.end('def')
    const [response] = await once(request, 'response')
    expect(JSON.parse(await text(response)).body).toBe('abcdef')
  })
})

describe('what the client is answered', () => {
  it('has the status, the headers as given and a request id', async () => {
    await using door = await openServer(
      answering({ status: 202, headers: { 'docker-upload-uuid': 'x', location: '/y' } }),
    )
    const response = await fetch(door.url)
    expect(response.status).toBe(202)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'docker-upload-uuid': 'x',
      location: '/y',
      'content-length': '0',
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
  })

  it('keeps the connection for the next request', async () => {
    await using door = await openServer(echo)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    for (const method of ['GET', 'POST', 'DELETE', 'HEAD']) {
      const request = httpRequest(door.url, { agent, method })
      request.end(method === 'POST' ? 'small' : undefined)
      const [response] = await once(request, 'response')
      ports.add(response.socket.localPort)
      await buffer(response)
    }
    agent.destroy()
    expect(ports.size).toBe(1)
  })

  it('is the length alone when it asked by HEAD', async () => {
    let released = false
    async function* body() {
      try {
        yield Buffer.from('never')
      } finally {
        released = true
      }
    }
    const iterable = {
      [Symbol.asyncIterator]: () => Object.assign(body(), { return: async () => release() }),
    }
    const release = () => {
      released = true
      return { done: true as const, value: undefined }
    }
    await using door = await openServer(
      answering({ status: 200, headers: { 'content-length': '12345' }, body: iterable }),
    )
    const raw = await exchangeRaw(door.port, 'HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    expect(raw).toMatch(/content-length: 12345\r\n/)
    expect(raw).toMatch(/\r\n\r\n$/)
    expect(released).toBe(true)
  })

  it.each([204, 304])('has neither body nor length with %i', async status => {
    await using door = await openServer(answering({ status, headers: {} }))
    const raw = await exchangeRaw(door.port, 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    expect(raw).not.toMatch(/content-length|transfer-encoding/i)
    expect(raw).toMatch(/\r\n\r\n$/)
  })

  it('is whole, of any size, from pieces whose memory is used again', async () => {
    const memory = Buffer.alloc(300_000)
    async function* pieces() {
      for (let turn = 0; turn < 40; turn++) yield memory.fill(turn)
    }
    await using door = await openServer(
      answering({ status: 200, headers: { 'content-length': String(40 * 300_000) }, body: pieces() }),
    )
    const got = Buffer.from(await (await fetch(door.url)).arrayBuffer())
    const wanted = Buffer.concat(Array.from({ length: 40 }, (_, turn) => Buffer.alloc(300_000, turn)))
    expect(got.equals(wanted)).toBe(true)
  })

  it('is whole when it is one large buffer', async () => {
    const body = Buffer.alloc(4 * MIB, 'abc')
    await using door = await openServer(answering({ status: 200, headers: {}, body }))
    expect(Buffer.from(await (await fetch(door.url)).arrayBuffer()).equals(body)).toBe(true)
  })

  it('breaks off, rather than ends, when the store fails in the middle', async () => {
    async function* failing() {
      yield Buffer.alloc(1000)
      throw new Error('disk on fire')
    }
    await using door = await openServer(answering({ status: 200, headers: {}, body: failing() }))
    const response = await fetch(door.url)
    await expect(response.arrayBuffer()).rejects.toThrow()
    expect(await door.logged(2)).toMatchObject([{ status: 200 }, { level: 'error', message: 'disk on fire' }])
  })

  it('breaks off when the store has less than was announced', async () => {
    async function* short() {
      yield Buffer.alloc(1000)
    }
    await using door = await openServer(
      answering({ status: 200, headers: { 'content-length': '2000' }, body: short() }),
    )
    const response = await fetch(door.url)
    await expect(response.arrayBuffer()).rejects.toThrow()
  })

  it('is told nothing of an unexpected error, and the log everything', async () => {
    await using door = await openServer(() => Promise.reject(new Error('secret')))
    const response = await fetch(door.url)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('secret')
    const requestId = response.headers.get('x-request-id')
    const [access, fault] = await door.logged(2)
    expect(access).toMatchObject({ requestId, status: 500, code: 'UNKNOWN' })
    expect(fault).toMatchObject({ requestId, level: 'error', stack: expect.stringContaining('secret') })
  })
})

describe('a client that goes away', () => {
  it('ends the reading of its body with ClientGone', async () => {
    const began = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<unknown>()
    await using door = await openServer(async ({ body }) => {
      try {
        for await (const _ of body) began.resolve()
      } catch (error) {
        ended.resolve(error)
      }
      return {}
    })
    const socket = await dial(door.port)
    socket.write('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc')
    await began.promise
    socket.destroy()
    expect(await ended.promise).toBeInstanceOf(ClientGone)
    expect(await door.logged(1)).toMatchObject([{ status: 499, bytesIn: 3 }])
  })

  it('ends the reading of its body with ClientGone, also when that begins later', async () => {
    const ended = Promise.withResolvers<unknown>()
    const gone = Promise.withResolvers<void>()
    await using door = await openServer(async request => {
      await gone.promise
      await collect(request.body).catch(ended.resolve)
      return {}
    })
    const socket = await dial(door.port)
    socket.write('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc')
    await new Promise(resolve => setTimeout(resolve, 20))
    socket.destroy()
    await new Promise(resolve => setTimeout(resolve, 20))
    gone.resolve()
    expect(await ended.promise).toBeInstanceOf(ClientGone)
  })

  it('makes the store let go of what it was sending', async () => {
    let released = false
    async function* endless() {
      try {
        while (true) yield Buffer.alloc(MIB)
      } finally {
        released = true
      }
    }
    await using door = await openServer(answering({ status: 200, headers: {}, body: endless() }))
    const socket = await dial(door.port)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    await until(() => released)
    expect(await door.logged(1)).toMatchObject([{ status: 499 }])
  })

  it('is sent no more than it takes', async () => {
    let asked = 0
    async function* endless() {
      while (true) {
        asked++
        yield Buffer.alloc(MIB)
      }
    }
    await using door = await openServer(answering({ status: 200, headers: {}, body: endless() }))
    const socket = await dial(door.port)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(asked).toBeLessThan(20)
    socket.destroy()
  })
})

describe('requests that do not wait for each other', () => {
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`
  const slowFirst = answering(async ({ path }) => {
    if (path === '/1') await new Promise(resolve => setTimeout(resolve, 30))
    return ok(`this is ${path}`)
  })

  it('are answered in their order', async () => {
    await using door = await openServer(slowFirst)
    const last = 'GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'
    const raw = await exchangeRaw(door.port, get('/1') + get('/2') + last)
    expect(raw.match(/this is \/./g)).toEqual(['this is /1', 'this is /2', 'this is /3'])
  })

  it('are forgotten with the client', async () => {
    const [asked, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const first = answering(async () => {
      asked.resolve()
      await gone.promise
      return ok('too late')
    })
    await using door = await openServer(first)
    const connection = once(door.door.server, 'connection')
    const socket = await dial(door.port)
    const [peer] = await connection
    socket.write(get('/1') + get('/2') + get('/3'))
    await asked.promise
    socket.resetAndDestroy()
    await new Promise(resolve => peer.once('close', resolve))
    gone.resolve()
    await door.door.settled()
    expect(door.records()).toMatchObject([{ status: 499 }])
  })
})

describe('a body that nobody wants', () => {
  const refusing = answering(ok('no', 401))

  it('is taken in, so that the answer arrives, and the connection closed', async () => {
    await using door = await openServer(refusing)
    const request = httpRequest(door.url, {
      method: 'PATCH',
      headers: { 'content-length': String(16 * MIB) },
    })
    // Having its answer this client hangs up, and may find its connection reset.
    request.on('error', () => {})
    request.end(Buffer.alloc(16 * MIB))
    const [response] = await once(request, 'response')
    expect(response.statusCode).toBe(401)
    expect(response.headers.connection).toBe('close')
    expect(await text(response)).toBe('no')
    expect(await door.logged(1)).toMatchObject([{ status: 401, bytesIn: 16 * MIB }])
  })

  it('is taken in up to a bound of bytes', async () => {
    await using door = await openServer(refusing, { limits: { drain: { bytes: MIB, ms: 5_000 } } })
    const request = httpRequest(door.url, { method: 'PATCH' })
    request.on('error', () => {})
    const feeding = setInterval(() => request.write(Buffer.alloc(MIB / 4)), 1)
    const [record] = await door.logged(1)
    clearInterval(feeding)
    request.destroy()
    expect(record).toMatchObject({ status: 401 })
    expect((record as { bytesIn: number }).bytesIn).toBeLessThan(2 * MIB)
  })

  it('is waited for up to a bound of time', async () => {
    await using door = await openServer(refusing, { limits: { drain: { bytes: MIB, ms: 50 } } })
    const raw = await exchangeRaw(door.port, 'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n')
    expect(raw).toMatch(/^HTTP\/1.1 401/)
  })

  it('is taken in too when the app read a part of it', async () => {
    await using door = await openServer(
      answering(async ({ body }) => {
        for await (const _ of body) break
        return ok('too large', 413)
      }),
    )
    const request = httpRequest(door.url, { method: 'PUT', headers: { 'content-length': String(8 * MIB) } })
    request.on('error', () => {})
    request.end(Buffer.alloc(8 * MIB))
    const [response] = await once(request, 'response')
    expect(response.statusCode).toBe(413)
    expect(await text(response)).toBe('too large')
  })
})

describe('expectations', () => {
  it('asks for the body when the app does', async () => {
    await using door = await openServer(echo)
    const request = httpRequest(door.url, { method: 'PUT', headers: { expect: '100-continue' } })
    request.flushHeaders()
    await once(request, 'continue')
    request.end('abc')
    const [response] = await once(request, 'response')
    expect(JSON.parse(await text(response)).body).toBe('abc')
  })

  it('never asks for the body of a request that is refused', async () => {
    await using door = await openServer(answering(ok('no', 401)), { limits: { drain: { bytes: 1, ms: 20 } } })
    const raw = await exchangeRaw(
      door.port,
      'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n',
    )
    expect(raw).toMatch(/^HTTP\/1.1 401/)
    expect(raw).toMatch(/connection: close/i)
  })

  it('refuses those it does not know', async () => {
    await using door = await openServer(echo)
    const raw = await exchangeRaw(
      door.port,
      'GET / HTTP/1.1\r\nhost: a\r\nexpect: tea\r\nconnection: close\r\n\r\n',
    )
    expect(raw).toMatch(/^HTTP\/1.1 417/)
    expect(errorCode(raw)).toBe('EXPECTATION_FAILED')
  })
})

describe('a server without file descriptors', () => {
  const exhausted = () => Object.assign(new Error('too many open files'), { code: 'EMFILE' })

  it('lives on when it cannot accept connections, and says so once a minute', async () => {
    await using door = await openServer(echo)
    for (let times = 0; times < 3; times++) door.door.server.emit('error', exhausted())
    expect(await asked(door.port, '/')).toMatchObject({ path: '/' })
    const [first, ...others] = await door.logged(2)
    expect(first).toMatchObject({ level: 'warning', message: expect.stringContaining('too many open files') })
    expect(others).toMatchObject([{ status: 200 }])
  })

  it('lives on when accepting fails for another reason, which is a fault in the log', async () => {
    await using door = await openServer(echo)
    door.door.server.emit('error', Object.assign(new Error('accept ECONNABORTED'), { code: 'ECONNABORTED' }))
    expect(await asked(door.port, '/')).toMatchObject({ path: '/' })
    expect(await door.logged(2)).toMatchObject([{ level: 'error' }, { status: 200 }])
  })

  it('answers 503 with Retry-After when the app fails for it', async () => {
    await using door = await openServer(() => Promise.reject(new Error('reading', { cause: exhausted() })))
    const response = await fetch(door.url)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  })
})

describe('what only the protocol sees', () => {
  it.each([
    ['no request line', 'hello\r\n\r\n', 400, 'BAD_REQUEST'],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00', 400, 'BAD_REQUEST'],
    ['no Host', 'GET / HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'BAD_REQUEST'],
    [
      'two lengths',
      'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      400,
      'BAD_REQUEST',
    ],
    [
      'a length and chunks',
      'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      400,
      'BAD_REQUEST',
    ],
    [
      'too many headers',
      `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`,
      431,
      'HEADERS_TOO_LARGE',
    ],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n', 405, 'UNSUPPORTED'],
  ])('%s is answered with an error document', async (_, bytes, status, code) => {
    await using door = await openServer(echo)
    const raw = await exchangeRaw(door.port, bytes)
    expect(raw).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(raw).toMatch(/content-type: application\/json/i)
    expect(raw).toMatch(/x-request-id: /i)
    expect(errorCode(raw)).toBe(code)
    expect(await door.logged(1)).toMatchObject([{ status, code }])
  })

  it('a broken chunk is answered, and ends the reading of the body', async () => {
    const ended = Promise.withResolvers<unknown>()
    await using door = await openServer(async request => {
      await collect(request.body).catch(ended.resolve)
      return {}
    })
    const raw = await exchangeRaw(
      door.port,
      'PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n',
    )
    expect(raw).toMatch(/^HTTP\/1.1 400/)
    expect(errorCode(raw)).toBe('BAD_REQUEST')
    expect(await ended.promise).toBeInstanceOf(ClientGone)
    expect(await door.logged(1)).toMatchObject([{ status: 400, code: 'BAD_REQUEST', bytesIn: 3 }])
  })

  it('a wish to change protocols is ignored', async () => {
    await using door = await openServer(echo)
    const raw = await exchangeRaw(
      door.port,
      'GET /v2/ HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n',
    )
    expect(raw).toMatch(/^HTTP\/1.1 200/)
  })

  it.each(['', 'GET / HTTP/1.1\r\nhost: a\r\nx-slow: '])(
    'headers that do not arrive (%j) end in 408',
    async begun => {
      await using door = await openServer(echo, { limits: { headers: 100 } })
      const raw = await exchangeRaw(door.port, begun)
      expect(raw).toMatch(/^HTTP\/1.1 408/)
      expect(errorCode(raw)).toBe('REQUEST_TIMEOUT')
    },
  )

  it('a client of HTTP/1.0 is served', async () => {
    async function* pieces() {
      yield Buffer.from('abc')
      yield Buffer.from('def')
    }
    await using door = await openServer(answering({ status: 200, headers: {}, body: pieces() }))
    expect(await exchangeRaw(door.port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/\r\n\r\nabcdef$/)
  })
})

describe('a client that stalls', () => {
  const stall = { window: 120, bytes: 1024 }

  it('in its body is answered 408, and the app told that it has gone', async () => {
    const ended = Promise.withResolvers<unknown>()
    await using door = await openServer(
      async request => {
        await collect(request.body).catch(ended.resolve)
        return {}
      },
      { limits: { stall } },
    )
    const raw = await exchangeRaw(door.port, 'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc')
    expect(raw).toMatch(/^HTTP\/1.1 408/)
    expect(errorCode(raw)).toBe('REQUEST_TIMEOUT')
    expect(await ended.promise).toBeInstanceOf(ClientGone)
    expect(await door.logged(1)).toMatchObject([{ status: 408, code: 'REQUEST_TIMEOUT', bytesIn: 3 }])
  })

  it('in taking the answer is cut off', async () => {
    let released = false
    async function* endless() {
      try {
        while (true) yield Buffer.alloc(MIB)
      } finally {
        released = true
      }
    }
    await using door = await openServer(answering({ status: 200, headers: {}, body: endless() }), {
      limits: { stall },
    })
    const socket = await dial(door.port)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await until(() => released)
    expect(await door.logged(1)).toMatchObject([{ status: 499 }])
    socket.destroy()
  })

  it('is not confused with one that is slow', async () => {
    await using door = await openServer(echo, { limits: { stall: { window: 600, bytes: 4 } } })
    const request = httpRequest(door.url, { method: 'PUT' })
    for (let n = 0; n < 60; n++) {
      request.write('a')
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    request.end()
    const [response] = await once(request, 'response')
    expect(response.statusCode).toBe(200)
  })

  it('is not confused with an app that takes its time', async () => {
    await using door = await openServer(
      answering(async ({ body }: HttpRequest) => {
        for await (const _ of body) await new Promise(resolve => setTimeout(resolve, 300))
        await new Promise(resolve => setTimeout(resolve, 300))
        return ok('done')
      }),
      { limits: { stall } },
    )
    const response = await fetch(door.url, { method: 'PUT', body: 'abc' })
    expect(await response.text()).toBe('done')
  })
})

describe('the access log', () => {
  it('has one line for a request, with what the app and the door know of it', async () => {
    await using door = await openServer(
      answering(async request => ok(String((await collect(request.body)).length)), {
        route: '/v2/<name>/manifests/<reference>',
        action: 'push',
      }),
    )
    const response = await fetch(`${door.url}/v2/a/manifests/b?secret=1`, {
      method: 'PUT',
      body: 'abc',
      headers: { 'user-agent': 'docker/29', authorization: 'Basic secret' },
    })
    const records = await door.logged(1)
    expect(records).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        level: 'info',
        requestId: response.headers.get('x-request-id'),
        method: 'PUT',
        route: '/v2/<name>/manifests/<reference>',
        action: 'push',
        status: 200,
        bytesIn: 3,
        bytesOut: 1,
        durationMs: expect.any(Number),
        agent: 'docker/29',
        remote: '127.0.0.1',
      },
    ])
    expect(JSON.stringify(records)).not.toContain('secret')
  })

  it('names the code of an error', async () => {
    await using door = await openServer(() => Promise.reject(new RegistryError('NAME_UNKNOWN')))
    await fetch(door.url)
    expect(await door.logged(1)).toMatchObject([{ status: 404, code: 'NAME_UNKNOWN' }])
  })
})
