import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { answering, echo, exchangeRaw, openServer } from './support.ts'

const MIB = 1024 * 1024

describe('the response to the client', () => {
  it('has the status, the headers as given and a request id', async () => {
    await using server = await openServer(
      answering({ status: 202, headers: { 'docker-upload-uuid': 'x', location: '/y' } }),
    )
    const response = await fetch(server.url)
    expect(response.status).toBe(202)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'docker-upload-uuid': 'x',
      location: '/y',
      'content-length': '0',
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
  })

  it('keeps the connection for the next request', async () => {
    await using server = await openServer(echo)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    for (const method of ['GET', 'POST', 'DELETE', 'HEAD']) {
      const request = httpRequest(server.url, { agent, method })
      request.end(method === 'POST' ? 'small' : undefined)
      const [response] = await once(request, 'response')
      ports.add(response.socket.localPort)
      await buffer(response)
    }
    agent.destroy()
    expect(ports.size).toBe(1)
  })

  it('to a HEAD has the length and no body, and releases the body', async () => {
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
    await using server = await openServer(
      answering({ status: 200, headers: { 'content-length': '12345' }, body: iterable }),
    )
    const raw = await exchangeRaw(server.port, 'HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    expect(raw).toMatch(/content-length: 12345\r\n/)
    expect(raw).toMatch(/\r\n\r\n$/)
    expect(released).toBe(true)
  })

  it.each([204, 304])('has neither body nor length when the status is %i', async status => {
    await using server = await openServer(answering({ status, headers: {} }))
    const raw = await exchangeRaw(server.port, 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    expect(raw).not.toMatch(/content-length|transfer-encoding/i)
    expect(raw).toMatch(/\r\n\r\n$/)
  })

  it('is complete when the app reuses the memory of its pieces', async () => {
    const memory = Buffer.alloc(300_000)
    async function* pieces() {
      for (let piece = 0; piece < 40; piece++) yield memory.fill(piece)
    }
    await using server = await openServer(
      answering({ status: 200, headers: { 'content-length': String(40 * 300_000) }, body: pieces() }),
    )
    const got = Buffer.from(await (await fetch(server.url)).arrayBuffer())
    const expected = Buffer.concat(Array.from({ length: 40 }, (_, piece) => Buffer.alloc(300_000, piece)))
    expect(got.equals(expected)).toBe(true)
  })

  it('is complete when it is one large buffer', async () => {
    const body = Buffer.alloc(4 * MIB, 'abc')
    await using server = await openServer(answering({ status: 200, headers: {}, body }))
    expect(Buffer.from(await (await fetch(server.url)).arrayBuffer()).equals(body)).toBe(true)
  })

  it('breaks off when the store fails in the middle', async () => {
    async function* failing() {
      yield Buffer.alloc(1000)
      throw new Error('disk on fire')
    }
    await using server = await openServer(answering({ status: 200, headers: {}, body: failing() }))
    const response = await fetch(server.url)
    await expect(response.arrayBuffer()).rejects.toThrow()
    expect(await server.logged(2)).toMatchObject([
      { status: 200 },
      { level: 'error', message: 'disk on fire' },
    ])
  })

  it('breaks off when the store has fewer bytes than the Content-Length', async () => {
    async function* short() {
      yield Buffer.alloc(1000)
    }
    await using server = await openServer(
      answering({ status: 200, headers: { 'content-length': '2000' }, body: short() }),
    )
    const response = await fetch(server.url)
    await expect(response.arrayBuffer()).rejects.toThrow()
  })

  it('does not contain an unexpected error, which the log has', async () => {
    await using server = await openServer(() => Promise.reject(new Error('secret')))
    const response = await fetch(server.url)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('secret')
    const requestId = response.headers.get('x-request-id')
    const [access, fault] = await server.logged(2)
    expect(access).toMatchObject({ requestId, status: 500, code: 'UNKNOWN' })
    expect(fault).toMatchObject({ requestId, level: 'error', stack: expect.stringContaining('secret') })
  })
})
