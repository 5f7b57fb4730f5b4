import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { ClientGone, type HttpRequest } from '../../lambda/http/message.ts'
import {
  answering,
  bodyOf,
  dial,
  EndlessBody,
  echo,
  errorCode,
  exchangeRaw,
  ok,
  openServer,
  until,
} from './support.ts'

describe('a client that stalls', () => {
  const stall = { window: 120, bytes: 1024 }

  it('while it sends a body gets 408, and the app a ClientGone', async () => {
    const ended = Promise.withResolvers<unknown>()
    await using server = await openServer(
      async request => {
        await bodyOf(request.body).catch(ended.resolve)
        return {}
      },
      { limits: { stall } },
    )
    const raw = await exchangeRaw(server.port, 'PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc')
    expect(raw).toMatch(/^HTTP\/1.1 408/)
    expect(errorCode(raw)).toBe('REQUEST_TIMEOUT')
    expect(await ended.promise).toBeInstanceOf(ClientGone)
    expect(await server.logged(1)).toMatchObject([{ status: 408, code: 'REQUEST_TIMEOUT', bytesIn: 3 }])
  })

  it('while it reads a response is disconnected', async () => {
    const endless = new EndlessBody()
    await using server = await openServer(answering({ status: 200, headers: {}, body: endless }), {
      limits: { stall },
    })
    const socket = await dial(server.port)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await until(() => endless.isReleased)
    expect(await server.logged(1)).toMatchObject([{ status: 499 }])
    socket.destroy()
  })

  it('differs from a client that is slow', async () => {
    await using server = await openServer(echo, { limits: { stall: { window: 600, bytes: 2 } } })
    const request = httpRequest(server.url, { method: 'PUT' })
    for (let n = 0; n < 60; n++) {
      request.write('a')
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    request.end()
    const [response] = await once(request, 'response')
    expect(response.statusCode).toBe(200)
  })

  it('differs from a client that waits for a slow app', async () => {
    await using server = await openServer(
      answering(async ({ body }: HttpRequest) => {
        for await (const _ of body) await new Promise(resolve => setTimeout(resolve, 300))
        await new Promise(resolve => setTimeout(resolve, 300))
        return ok('done')
      }),
      { limits: { stall } },
    )
    const response = await fetch(server.url, { method: 'PUT', body: 'abc' })
    expect(await response.text()).toBe('done')
  })
})
