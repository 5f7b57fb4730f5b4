import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { answering, dial, echo, errorCode, exchangeRaw, ok, openServer } from './support.ts'

const MIB = 1024 * 1024

describe('a request body that the app does not read', () => {
  const refusing = answering(ok('no', 401))

  it('is drained in part before the connection closes, so that the response arrives', async () => {
    await using server = await openServer(refusing)
    const request = httpRequest(server.url, {
      method: 'PATCH',
      headers: { 'content-length': String(16 * MIB) },
    })
    // This client hangs up when it has the response, and may find its connection reset.
    request.on('error', () => {})
    request.end(Buffer.alloc(16 * MIB))
    const [response] = await once(request, 'response')
    expect(response.statusCode).toBe(401)
    expect(response.headers.connection).toBe('close')
    expect(await text(response)).toBe('no')
    expect(await server.logged(1)).toMatchObject([{ status: 401 }])
  })

  it('is drained up to 1 MiB', async () => {
    await using server = await openServer(refusing)
    const connection = once(server.http.server, 'connection')
    const request = httpRequest(server.url, { method: 'PATCH' })
    request.on('error', () => {})
    const feeding = setInterval(() => request.write(Buffer.alloc(MIB / 4)), 1)
    const [record] = await server.logged(1)
    clearInterval(feeding)
    request.destroy()
    expect(record).toMatchObject({ status: 401 })
    // Node reads up to two more buffers of 64 KiB before it is paused.
    expect((record as { bytesIn: number }).bytesIn).toBeLessThanOrEqual(MIB + 64 * 1024)
    expect((await connection)[0].bytesRead).toBeLessThanOrEqual(MIB + 256 * 1024)
  })

  it('does not reset the connection of a client that reads only when it cannot write any more', async () => {
    await using server = await openServer(refusing)
    const connection = once(server.http.server, 'connection')
    const socket = await dial(server.port)
    const events: string[] = []
    for (const event of ['error', 'end']) socket.once(event, () => events.push(event))
    const size = 64 * MIB
    socket.write(`PATCH / HTTP/1.1\r\nhost: a\r\ncontent-length: ${size}\r\n\r\n`)
    socket.write(Buffer.alloc(size))
    const [peer] = await connection
    await once(peer, 'finish')
    const raw = await text(socket)
    expect(raw).toMatch(/^HTTP\/1.1 401.*connection: close.*\r\n\r\nno$/is)
    expect(events).toEqual(['end'])
    socket.destroy()
  })

  it('does not keep a connection whose client never closes it', async () => {
    await using server = await openServer(refusing, { limits: { drain: { bytes: MIB, ms: 50 } } })
    const connection = once(server.http.server, 'connection')
    const socket = await dial(server.port)
    socket.write(`PATCH / HTTP/1.1\r\nhost: a\r\ncontent-length: ${64 * MIB}\r\n\r\n`)
    socket.write(Buffer.alloc(64 * MIB))
    const [peer] = await connection
    await once(peer, 'close')
    expect(await server.logged(1)).toMatchObject([{ status: 401 }])
    socket.destroy()
  })

  it('is drained up to a time limit', async () => {
    await using server = await openServer(refusing, { limits: { drain: { bytes: MIB, ms: 50 } } })
    const raw = await exchangeRaw(server.port, 'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n')
    expect(raw).toMatch(/^HTTP\/1.1 401/)
  })

  it('is drained when the app read a part of it', async () => {
    await using server = await openServer(
      answering(async ({ body }) => {
        for await (const _ of body) break
        return ok('too large', 413)
      }),
    )
    const request = httpRequest(server.url, { method: 'PUT', headers: { 'content-length': String(8 * MIB) } })
    request.on('error', () => {})
    request.end(Buffer.alloc(8 * MIB))
    const [response] = await once(request, 'response')
    expect(response.statusCode).toBe(413)
    expect(await text(response)).toBe('too large')
  })
})

describe('a request with an Expect header', () => {
  it('gets 100 Continue when the app reads the body', async () => {
    await using server = await openServer(echo)
    const request = httpRequest(server.url, { method: 'PUT', headers: { expect: '100-continue' } })
    request.flushHeaders()
    await once(request, 'continue')
    request.end('abc')
    const [response] = await once(request, 'response')
    expect(JSON.parse(await text(response)).body).toBe('abc')
  })

  it('gets no 100 Continue when it is refused', async () => {
    await using server = await openServer(answering(ok('no', 401)), {
      limits: { drain: { bytes: 1, ms: 20 } },
    })
    const raw = await exchangeRaw(
      server.port,
      'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n',
    )
    expect(raw).toMatch(/^HTTP\/1.1 401/)
    expect(raw).toMatch(/connection: close/i)
  })

  it('is refused when the expectation is unknown', async () => {
    await using server = await openServer(echo)
    const raw = await exchangeRaw(
      server.port,
      'GET / HTTP/1.1\r\nhost: a\r\nexpect: tea\r\nconnection: close\r\n\r\n',
    )
    expect(raw).toMatch(/^HTTP\/1.1 417/)
    expect(errorCode(raw)).toBe('EXPECTATION_FAILED')
  })
})
