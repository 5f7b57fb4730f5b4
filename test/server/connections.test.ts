import type { Socket } from 'node:net'
import { platform } from 'node:os'
import { describe, expect, it } from 'vitest'
import { connectionLimit } from '../../server/connection-limit.ts'
import { freshFolder, ServerProcess } from './process.ts'
import { answering, dial, errorCode, exchangeRaw, ok, openServer, type TestServer, until } from './support.ts'

const REQUEST = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'

async function dialTimes(port: number, count: number): Promise<Socket[]> {
  return Promise.all(Array.from({ length: count }, () => dial(port)))
}

function serverWith(connections: number): Promise<TestServer> {
  return openServer(answering(ok('served')), { limits: { connections } })
}

describe('a connection beyond the limit', () => {
  it('gets 503 with Retry-After, and is closed', async () => {
    await using server = await serverWith(2)
    await dialTimes(server.port, 2)

    const raw = await exchangeRaw(server.port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n')

    expect(raw).toMatch(/^HTTP\/1.1 503 /)
    expect(raw).toMatch(/^retry-after: \d+\r$/im)
    expect(raw).toMatch(/^connection: close\r$/im)
    expect(errorCode(raw)).toBe('UNAVAILABLE')
  })

  it('is reported in the log, once a minute at most', async () => {
    await using server = await serverWith(1)
    await dialTimes(server.port, 1)

    for (let times = 0; times < 3; times++) await exchangeRaw(server.port, REQUEST)

    const warnings = (await server.logged(4)).filter(({ level }) => level === 'warning')
    expect(warnings).toMatchObject([{ message: expect.stringContaining('raise the limit (ulimit -n)') }])
  })

  it('is closed at once when many others wait for their 503', async () => {
    await using server = await serverWith(1)
    const sockets = await dialTimes(server.port, 1 + 32)

    expect(await exchangeRaw(server.port, '')).toBe('')

    for (const socket of sockets) socket.destroy()
  })

  it('does not end the requests of the others', async () => {
    await using server = await serverWith(1)
    const first = await dial(server.port)
    await exchangeRaw(server.port, REQUEST)

    const response = new Promise<string>(resolve => first.once('data', bytes => resolve(String(bytes))))
    first.write(REQUEST)

    expect(await response).toMatch(/^HTTP\/1.1 200 /)
  })

  it('is served again when another one has closed', async () => {
    await using server = await serverWith(1)
    const [first] = await dialTimes(server.port, 1)
    first?.destroy()
    await until(() => first?.closed ?? false)

    await expect.poll(() => exchangeRaw(server.port, REQUEST)).toMatch(/^HTTP\/1.1 200 /)
  })
})

it('the limit leaves a descriptor for a file of each connection', () => {
  expect([connectionLimit(1_024), connectionLimit(undefined), connectionLimit(10)]).toEqual([
    464,
    Infinity,
    1,
  ])
})

it.skipIf(platform() === 'win32')(
  'a server with few descriptors answers 503 beyond its connections, and serves again when they close',
  async () => {
    using folder = freshFolder()
    await using server = await ServerProcess.withOpenFiles(160, folder.path)
    const sockets = await dialTimes(server.port, connectionLimit(160))

    const raw = await exchangeRaw(server.port, REQUEST)
    const more = await dialTimes(server.port, 200)
    for (const socket of [...sockets, ...more]) socket.destroy()

    expect(raw).toMatch(/^HTTP\/1.1 503 /)
    await expect.poll(() => fetch(server.url).then(({ status }) => status)).toBe(200)
  },
)
