import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { ClientGone } from '../../lambda/http/message.ts'
import { answering, bodyOf, dial, EndlessBody, exchangeRaw, ok, openServer, until } from './support.ts'

const MIB = 1024 * 1024

describe('a client that closes the connection', () => {
  it('makes the read of its body throw ClientGone', async () => {
    const began = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<unknown>()
    await using server = await openServer(async ({ body }) => {
      try {
        for await (const _ of body) began.resolve()
      } catch (error) {
        ended.resolve(error)
      }
      return {}
    })
    const socket = await dial(server.port)
    socket.write('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc')
    await began.promise
    socket.destroy()
    expect(await ended.promise).toBeInstanceOf(ClientGone)
    expect(await server.logged(1)).toMatchObject([{ status: 499, bytesIn: 3 }])
  })

  it('makes a read of its body that begins later throw ClientGone', async () => {
    const ended = Promise.withResolvers<unknown>()
    const gone = Promise.withResolvers<void>()
    await using server = await openServer(async request => {
      await gone.promise
      await bodyOf(request.body).catch(ended.resolve)
      return {}
    })
    const socket = await dial(server.port)
    socket.write('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc')
    await new Promise(resolve => setTimeout(resolve, 20))
    socket.destroy()
    await new Promise(resolve => setTimeout(resolve, 20))
    gone.resolve()
    expect(await ended.promise).toBeInstanceOf(ClientGone)
  })

  it('releases the body of its response', async () => {
    const endless = new EndlessBody()
    await using server = await openServer(answering({ status: 200, headers: {}, body: endless }))
    const socket = await dial(server.port)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    await until(() => endless.isReleased)
    expect(await server.logged(1)).toMatchObject([{ status: 499 }])
  })

  it('gets no more of the response than it reads', async () => {
    let pieces = 0
    async function* endless() {
      while (true) {
        pieces++
        yield Buffer.alloc(MIB)
      }
    }
    await using server = await openServer(answering({ status: 200, headers: {}, body: endless() }))
    const socket = await dial(server.port)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(pieces).toBeLessThan(20)
    socket.destroy()
  })
})

describe('pipelined requests', () => {
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`
  const slowFirst = answering(async ({ path }) => {
    if (path === '/1') await new Promise(resolve => setTimeout(resolve, 30))
    return ok(`response to ${path}`)
  })

  it('are answered in order', async () => {
    await using server = await openServer(slowFirst)
    const last = 'GET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'
    const raw = await exchangeRaw(server.port, get('/1') + get('/2') + last)
    expect(raw.match(/response to \/./g)).toEqual(['response to /1', 'response to /2', 'response to /3'])
  })

  it('are dropped when the client closes the connection', async () => {
    const [received, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const first = answering(async () => {
      received.resolve()
      await gone.promise
      return ok('too late')
    })
    await using server = await openServer(first)
    const connection = once(server.http.server, 'connection')
    const socket = await dial(server.port)
    const [peer] = await connection
    socket.write(get('/1') + get('/2') + get('/3'))
    await received.promise
    socket.resetAndDestroy()
    await new Promise(resolve => peer.once('close', resolve))
    gone.resolve()
    await server.http.settled()
    expect(server.records()).toMatchObject([{ status: 499 }])
  })
})
