import { rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { App } from '../../lambda/http/app.ts'
import type { HttpResponse } from '../../lambda/http/message.ts'
import type { Bytes } from '../../lambda/store/blobs.ts'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { bytesOf, patternBytes } from '../support/bytes.ts'
import { canListOpenFiles, openFiles } from '../support/open-files.ts'
import { freshFolder } from './process.ts'
import { dial, openServer, until } from './support.ts'

const SIZE = 3_000_000

describe.skipIf(!canListOpenFiles)('a response with an open file behind it closes the file', () => {
  let folder: ReturnType<typeof freshFolder>
  let store: FileBlobs
  /** What the app has opened. Keeping it prevents that Node closes the files in its own garbage collection. */
  let opened: Bytes[]
  beforeEach(async () => {
    folder = freshFolder()
    store = await FileBlobs.open(folder.path)
    await store.commit(await store.append(store.begin('layer', 'sha256'), bytesOf(patternBytes(SIZE))))
    opened = []
  })
  afterEach(() => rmSync(folder.path, { recursive: true }))

  /**
   * Opens the file after the delay `before`, and responds after the delay `after`, so that a client can leave at either
   * time.
   */
  const app =
    (about: Partial<HttpResponse> = {}): App =>
    async ({ query }) => {
      await wait(Number(query.get('before')))
      const body = await store.read('layer')
      opened.push(body)
      await wait(Number(query.get('after')))
      return { response: { status: 200, headers: { 'content-length': String(SIZE) }, ...about, body } }
    }

  const expectClosed = async (served: number) => {
    await until(() => opened.length === served)
    await until(() => openFiles(folder.path).length === 0)
  }

  it.each([
    ['before the file is open', '?before=60'],
    ['between the opening and the first byte', '?after=60'],
    ['at once', ''],
  ])('when the client leaves %s', async (_, query) => {
    await using server = await openServer(app())
    for (let client = 0; client < 5; client++) {
      const socket = await dial(server.port)
      socket.write(`GET /${query} HTTP/1.1\r\nhost: a\r\n\r\n`)
      await wait(20)
      socket.resetAndDestroy()
    }

    await expectClosed(5)
  })

  it('when the client leaves in the middle', async () => {
    await using server = await openServer(app())
    const socket = await dial(server.port)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await new Promise(resolve => socket.once('data', resolve))
    socket.resetAndDestroy()

    await expectClosed(1)
  })

  it('when the connection breaks just before a piece is written', async () => {
    let connection: Socket | undefined
    const breaking: App = async request => {
      const { response } = await app()(request)
      const file = response?.body as AsyncIterable<Uint8Array>
      async function* body() {
        for await (const piece of file) {
          connection?.destroy() // it emits `close` in a later turn of the event loop
          yield piece
        }
      }
      return { response: { status: 200, headers: {}, body: body() } }
    }
    await using server = await openServer(breaking)
    server.http.server.once('connection', socket => {
      connection = socket
    })
    const socket = await dial(server.port)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')

    await expectClosed(1)
  })

  it('when two requests of one connection are dropped together', async () => {
    await using server = await openServer(app())
    const socket = await dial(server.port)
    socket.write('GET /?after=60 HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await wait(20)
    socket.resetAndDestroy()
    await until(() => opened.length > 0)

    await until(() => openFiles(folder.path).length === 0)
  })

  it.each([
    ['the request is a HEAD', 'HEAD', {}],
    ['the status has no body', 'GET', { status: 304, headers: {} }],
    ['a header cannot be sent', 'GET', { headers: { 'x-broken': 'a\r\nb' } }],
    ['the Content-Length is wrong', 'GET', { headers: { 'content-length': '5' } }],
  ] as const)('when %s', async (_, method, about) => {
    await using server = await openServer(app(about))
    const socket = await dial(server.port)
    socket.write(`${method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
    socket.resume()

    await expectClosed(1)
    socket.destroy()
  })

  it('when the app that opened it fails afterwards', async () => {
    const failing: App = async request => {
      const { response } = await app()(request)
      return { ...(response && { response }), fault: new Error('after the opening') }
    }
    await using server = await openServer(failing)
    const socket = await dial(server.port)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    socket.resume()

    await expectClosed(1)
    expect(openFiles(folder.path)).toEqual([])
    socket.destroy()
  })
})
