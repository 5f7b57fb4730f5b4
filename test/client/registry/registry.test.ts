import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { Authorization } from '../../../lambda/client/registry/authorization.ts'
import { discard, readAll, Transport } from '../../../lambda/client/registry/transport.ts'
import { clientOf } from '../../support/client.ts'

type Handle = (request: IncomingMessage, response: ServerResponse, count: number) => void

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** A server that notes `METHOD target authorization` of each request. */
async function serve(handle: Handle, address = '127.0.0.1') {
  const requests: string[] = []
  const server = createServer((request, response) => {
    const { method, url, headers } = request
    requests.push(`${method} ${url} ${headers.authorization ?? '-'}`)
    request.resume()
    handle(request, response, requests.length)
  })
  server.listen(0, address)
  await once(server, 'listening')
  stops.push(() => server.close().closeAllConnections())
  return { host: `${address}:${(server.address() as AddressInfo).port}`, requests }
}

const bearer = (realm: string) => ({ 'www-authenticate': `Bearer realm="${realm}",service="it"` })
const login = { user: 'ann', password: 'secret' }
const BASIC = `Basic ${Buffer.from('ann:secret').toString('base64')}`
const scopes = ['repository:app:pull']

describe('a login by tokens', () => {
  it('gets a token at a realm on another host and sends the password there alone', async () => {
    const realm = await serve((_, response) => response.end('{"token":"t1","expires_in":300}'))
    const registry = await serve((request, response) => {
      if (request.headers.authorization === 'Bearer t1') response.end('here')
      else response.writeHead(401, bearer(`http://${realm.host}/token`)).end()
    })
    const client = clientOf(registry.host, { findLogin: async () => login })
    const response = await client.send({ target: '/v2/app/tags/list', scopes })
    expect(String(await readAll(response, 100))).toBe('here')
    expect(realm.requests).toEqual([
      `GET /token?service=it&scope=${encodeURIComponent(scopes[0] ?? '')}&account=ann ${BASIC}`,
    ])
    expect(registry.requests).toEqual(['GET /v2/ -', 'GET /v2/app/tags/list Bearer t1'])
  })

  it('keeps a token for each set of scopes until shortly before it expires', async () => {
    let now = 0
    let issued = 0
    const registry = await serve((request, response) => {
      if (request.url?.startsWith('/token')) response.end(`{"access_token":"t${++issued}","expires_in":300}`)
      else if (request.headers.authorization) response.end()
      else response.writeHead(401, bearer('/token')).end()
    })
    const client = clientOf(registry.host, { clock: () => now })
    const get = (name: string) => client.send({ target: `/v2/${name}`, scopes: [`repository:${name}:pull`] })
    await get('a')
    await get('a')
    await get('b')
    now = 289_000
    await get('a')
    now = 291_000
    await get('a')
    expect(registry.requests.filter(line => line.includes('Bearer'))).toEqual([
      'GET /v2/a Bearer t1',
      'GET /v2/a Bearer t1',
      'GET /v2/b Bearer t2',
      'GET /v2/a Bearer t1',
      'GET /v2/a Bearer t3',
    ])
  })

  it('gets another token when the registry refuses the one that it has, once', async () => {
    let issued = 0
    const registry = await serve((request, response) => {
      if (request.url?.startsWith('/token')) response.end(`{"token":"t${++issued}"}`)
      else response.writeHead(401, bearer('/token')).end()
    })
    const { status } = await clientOf(registry.host).send({ target: '/v2/app', scopes })
    expect(status).toBe(401)
    expect(issued).toBe(2)
  })

  it('sends a refresh token as a form', async () => {
    let form = ''
    const registry = await serve((request, response) => {
      if (request.url?.startsWith('/token')) {
        request.on('data', piece => (form += piece)).on('end', () => response.end('{"access_token":"t"}'))
      } else if (request.headers.authorization) response.end()
      else response.writeHead(401, bearer('/token')).end()
    })
    const client = clientOf(registry.host, { findLogin: async () => ({ refreshToken: 'r1' }) })
    expect((await client.send({ target: '/v2/app', scopes })).status).toBe(200)
    expect(Object.fromEntries(new URLSearchParams(form))).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'r1',
      client_id: 'longshore',
      scope: 'repository:app:pull',
      service: 'it',
    })
  })

  it('reports the reason of a token server that refuses the login', async () => {
    const registry = await serve((request, response) => {
      if (request.url?.startsWith('/token'))
        response.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}')
      else response.writeHead(401, bearer('/token')).end()
    })
    const client = clientOf(registry.host, { findLogin: async () => login })
    await expect(client.send({ target: '/v2/app', scopes })).rejects.toThrow(
      /refused the login: wrong password \(401\)/,
    )
  })

  it('sends no password to a realm without TLS when the registry has TLS', async () => {
    const authorization = new Authorization({
      origin: 'https://registry.example',
      transport: new Transport({ userAgent: 'test' }),
      findLogin: async () => login,
      clock: () => 0,
    })
    authorization.learn(
      { status: 401, headers: bearer('http://evil.example/token'), body: Readable.from([]) },
      [],
    )
    await expect(authorization.header(scopes)).rejects.toThrow(/without TLS: http:\/\/evil.example/)
  })
})

describe('a login by Basic', () => {
  it('is sent when the registry asks for it', async () => {
    const registry = await serve((request, response) => {
      if (request.headers.authorization) response.end()
      else response.writeHead(401, { 'www-authenticate': 'Basic realm="it"' }).end()
    })
    const client = clientOf(registry.host, { findLogin: async () => login })
    await client.send({ target: '/v2/app', scopes })
    expect(registry.requests).toEqual(['GET /v2/ -', `GET /v2/app ${BASIC}`])
  })
})

describe('a redirect', () => {
  const guarded = (location: (host: string) => string) => (other: string) =>
    serve((request, response) => {
      if (!request.headers.authorization)
        response.writeHead(401, { 'www-authenticate': 'Basic realm="it"' }).end()
      else if (request.url === '/v2/app') response.writeHead(307, { location: location(other) }).end()
      else response.end('here')
    })

  it('to another host carries no login', async () => {
    const other = await serve((_, response) => response.end('there'))
    const registry = await guarded(host => `http://${host}/x?sig=%2F`)(other.host)
    const response = await clientOf(registry.host, { findLogin: async () => login }).send({
      target: '/v2/app',
    })
    expect(String(await readAll(response, 100))).toBe('there')
    expect(other.requests).toEqual(['GET /x?sig=%2F -'])
  })

  it('on the same host carries the login', async () => {
    const registry = await guarded(() => '/y')('')
    await clientOf(registry.host, { findLogin: async () => login }).send({ target: '/v2/app' })
    expect(registry.requests.at(-1)).toBe(`GET /y ${BASIC}`)
  })

  it('is followed five times at most', async () => {
    const registry = await serve(({ url }, response) => {
      if (url === '/v2/') response.end()
      else response.writeHead(307, { location: '/again' }).end()
    })
    await expect(clientOf(registry.host).send({ target: '/v2/app' })).rejects.toThrow('redirects in a circle')
  })

  it.each(['file:///etc/passwd', 'https://', 'ftp://x/'])('to %s is refused', async location => {
    const registry = await serve(({ url }, response) => {
      if (url === '/v2/') response.end()
      else response.writeHead(307, { location }).end()
    })
    await expect(clientOf(registry.host).send({ target: '/v2/app' })).rejects.toThrow(/which is not https/)
  })

  it('repeats the body of a PUT', async () => {
    const bodies: string[] = []
    const registry = await serve((request, response) => {
      if (request.url === '/v2/') return response.end()
      let body = ''
      request.on('data', piece => (body += piece))
      return request.on('end', () => {
        bodies.push(`${request.url} ${body}`)
        response.writeHead(request.url === '/v2/app' ? 307 : 201, { location: '/v2/there' }).end()
      })
    })
    const body = () =>
      (async function* () {
        yield Buffer.from('bytes')
      })()
    const headers = { 'content-length': '5' }
    const { status } = await clientOf(registry.host).send({ method: 'PUT', target: '/v2/app', headers, body })
    expect(status).toBe(201)
    expect(bodies).toEqual(['/v2/app bytes', '/v2/there bytes'])
  })
})

describe('a request that fails for a passing reason', () => {
  it.each([429, 503])('is repeated after the pause that a %i names', async status => {
    const pauses: number[] = []
    const registry = await serve((_, response, count) => {
      if (count === 2) response.writeHead(status, { 'retry-after': '7' }).end()
      else response.end()
    })
    const response = await clientOf(registry.host, { pauses }).send({ target: '/v2/app' })
    expect(response.status).toBe(200)
    expect(pauses).toEqual([7000])
  })

  it('is sent four times at most', async () => {
    const pauses: number[] = []
    const registry = await serve((_, response, count) => response.writeHead(count === 1 ? 200 : 500).end())
    expect((await clientOf(registry.host, { pauses }).send({ target: '/v2/app' })).status).toBe(500)
    expect(pauses).toEqual([250, 1000, 4000])
  })

  it('is not repeated where the registry asks for a pause above a minute', async () => {
    const registry = await serve((_, response, count) => {
      if (count === 1) response.end()
      else response.writeHead(429, { 'retry-after': '3600' }).end()
    })
    expect((await clientOf(registry.host).send({ target: '/v2/app' })).status).toBe(429)
    expect(registry.requests).toHaveLength(2)
  })

  it('is repeated when the connection breaks', async () => {
    const registry = await serve((request, response, count) => {
      if (count === 2) request.socket.destroy()
      else response.end()
    })
    expect((await clientOf(registry.host).send({ target: '/v2/app' })).status).toBe(200)
  })

  it('fails with one sentence when nothing listens', async () => {
    const registry = await serve(() => {})
    for (const stop of stops.splice(0)) stop()
    await expect(clientOf(registry.host).send({ target: '/v2/app' })).rejects.toThrow(
      new RegExp(`^cannot reach ${registry.host}: .*ECONNREFUSED`),
    )
  })
})

describe('an HTTP proxy of the environment', () => {
  it('gets the requests to other machines, but not those to this one', async () => {
    const proxy = await serve((_, response) => response.end('by the proxy'))
    const registry = await serve((_, response) => response.end('directly'))
    const transport = new Transport({ userAgent: 'test', env: { HTTP_PROXY: `http://${proxy.host}` } })
    const get = async (host: string) => {
      const url = new URL(`http://${host}/v2/`)
      return String(await readAll(await transport.send({ method: 'GET', url, headers: {} }), 100))
    }
    expect(await get('registry.example')).toBe('by the proxy')
    expect(await get(registry.host)).toBe('directly')
    transport.close()
  })
})

describe('an early response to an upload', () => {
  it('is the response, and ends the upload', async () => {
    const registry = await serve((request, response) => {
      if (request.method === 'GET') return response.end()
      request.pause()
      return response.writeHead(413).end()
    })
    const ended = Promise.withResolvers<void>()
    async function* endless() {
      try {
        for (;;) yield Buffer.alloc(64 * 1024)
      } finally {
        ended.resolve()
      }
    }
    const response = await clientOf(registry.host).send({
      method: 'PUT',
      target: '/v2/app',
      headers: { 'content-length': String(2 ** 40) },
      body: endless,
    })
    expect(response.status).toBe(413)
    await discard(response)
    await ended.promise
  })
})
