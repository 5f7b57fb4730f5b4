import { describe, expect, it } from 'vitest'
import { ClientGone } from '../../lambda/http/message.ts'
import { answering, bodyOf, echo, errorCode, exchangeRaw, openServer } from './support.ts'

describe('the HTTP parser', () => {
  it.each([
    ['a missing request line', 'hello\r\n\r\n', 400, 'BAD_REQUEST'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00', 400, 'BAD_REQUEST'],
    ['a missing Host header', 'GET / HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'BAD_REQUEST'],
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
  ])('answers %s with an error document', async (_, bytes, status, code) => {
    await using server = await openServer(echo)
    const raw = await exchangeRaw(server.port, bytes)
    expect(raw).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(raw).toMatch(/content-type: application\/json/i)
    expect(raw).toMatch(/x-request-id: /i)
    expect(errorCode(raw)).toBe(code)
    expect(await server.logged(1)).toMatchObject([{ status, code }])
  })

  it('answers a malformed chunk, and makes the read of the body throw', async () => {
    const ended = Promise.withResolvers<unknown>()
    await using server = await openServer(async request => {
      await bodyOf(request.body).catch(ended.resolve)
      return {}
    })
    const raw = await exchangeRaw(
      server.port,
      'PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n',
    )
    expect(raw).toMatch(/^HTTP\/1.1 400/)
    expect(errorCode(raw)).toBe('BAD_REQUEST')
    expect(await ended.promise).toBeInstanceOf(ClientGone)
    expect(await server.logged(1)).toMatchObject([{ status: 400, code: 'BAD_REQUEST', bytesIn: 3 }])
  })

  it('ignores a request to upgrade the protocol', async () => {
    await using server = await openServer(echo)
    const raw = await exchangeRaw(
      server.port,
      'GET /v2/ HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n',
    )
    expect(raw).toMatch(/^HTTP\/1.1 200/)
  })

  it.each(['', 'GET / HTTP/1.1\r\nhost: a\r\nx-slow: '])(
    'answers 408 when the headers after %j do not arrive',
    async begun => {
      await using server = await openServer(echo, { limits: { headers: 100 } })
      const raw = await exchangeRaw(server.port, begun)
      expect(raw).toMatch(/^HTTP\/1.1 408/)
      expect(errorCode(raw)).toBe('REQUEST_TIMEOUT')
    },
  )

  it('serves an HTTP/1.0 client', async () => {
    async function* pieces() {
      yield Buffer.from('abc')
      yield Buffer.from('def')
    }
    await using server = await openServer(answering({ status: 200, headers: {}, body: pieces() }))
    expect(await exchangeRaw(server.port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/\r\n\r\nabcdef$/)
  })
})
