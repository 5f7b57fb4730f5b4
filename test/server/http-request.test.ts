import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { answering, echo, exchangeRaw, ok, openServer, seenBy } from './support.ts'

describe('the request that the app receives', () => {
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
  ])('has the path of %s, which is %s', async (target, path, query) => {
    await using server = await openServer(echo)
    expect(await seenBy(server.port, target)).toMatchObject({ path, query })
  })

  it.each(['/v2/%', '/v2/%zz', '/v2/%ff'])(
    'is refused when its target is %s, which is malformed',
    async target => {
      await using server = await openServer(echo)
      expect(await seenBy(server.port, target)).toMatchObject({ errors: [{ code: 'BAD_REQUEST' }] })
    },
  )

  it.each([
    ['host: a\r\nHost: a', 'host'],
    ['host: a\r\nhost: b', 'host'],
    ['host: a\r\nauthorization: Basic YTpi\r\nAuthorization: Basic YTpi', 'authorization'],
    ['host: a\r\ncontent-range: 0-1\r\ncontent-range: 2-3', 'content-range'],
    ['host: a\r\ncontent-type: a/b\r\ncontent-type: c/d', 'content-type'],
  ])('is refused with the headers %j, because one of them must be sent once', async (headers, name) => {
    await using server = await openServer(echo)
    const raw = await exchangeRaw(server.port, `GET / HTTP/1.1\r\n${headers}\r\nconnection: close\r\n\r\n`)
    expect(raw).toMatch(/^HTTP\/1.1 400 /)
    expect(raw).toContain(`the header ${name} must be sent once`)
  })

  it('has one value for a header that was sent twice', async () => {
    await using server = await openServer(answering(async ({ headers }) => ok(headers.accept ?? '')))
    const raw = await exchangeRaw(
      server.port,
      'GET / HTTP/1.1\r\nhost: a\r\naccept: x/y\r\naccept: z\r\nconnection: close\r\n\r\n',
    )
    expect(raw).toMatch(/x\/y, z$/)
  })

  it.each(['content-length', 'chunked'])('has the body that was sent with %s', async how => {
    await using server = await openServer(echo)
    const headers: Record<string, string> = how === 'chunked' ? {} : { 'content-length': '6' }
    const request = httpRequest(server.url, { method: 'PUT', headers })
    request.write('abc')
    request.end('def')
    const [response] = await once(request, 'response')
    expect(JSON.parse(await text(response)).body).toBe('abcdef')
  })
})
