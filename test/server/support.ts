import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { App, HandledRequest } from '../../lambda/http/app.ts'
import type { HttpRequest, HttpResponse } from '../../lambda/http/message.ts'
import type { clientView } from '../../server/client-view.ts'
import { Log, type LogRecord } from '../../server/log.ts'
import { createHttpServer, type HttpServer, type ServerLimits } from '../../server/node-http.ts'
import { closeGracefully, listen } from '../../server/shutdown.ts'
import type { Certificate } from '../../server/tls.ts'

export interface TestServer extends AsyncDisposable {
  readonly door: HttpServer
  readonly port: number
  readonly url: string
  /** What was logged so far. */
  readonly records: () => LogRecord[]
  /** The next records that are logged, as soon as there are so many in all. */
  readonly logged: (count: number) => Promise<LogRecord[]>
}

/** A door in front of an app, on any free port, until the end of the test's scope. */
export async function openServer(
  app: App,
  {
    limits,
    tls,
    client,
  }: { limits?: Partial<ServerLimits>; tls?: Certificate; client?: ReturnType<typeof clientView> } = {},
): Promise<TestServer> {
  const chunks: string[] = []
  const stream = new Writable({
    write: (chunk, _, done) => {
      chunks.push(String(chunk))
      done()
    },
  })
  const log = new Log(stream, 'json')
  const door = createHttpServer({ app, log, ...(limits && { limits }), tls, ...(client && { client }) })
  await listen(door.server, 0, '127.0.0.1')
  const { port } = door.server.address() as AddressInfo
  const records = () => {
    log.flush()
    return chunks
      .join('')
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line) as LogRecord)
  }
  return {
    door,
    port,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    records,
    async logged(count) {
      await until(() => records().length >= count)
      return records()
    },
    async [Symbol.asyncDispose]() {
      await closeGracefully(door, 0)
    },
  }
}

/** An app of one answer. */
export function answering(
  response: HttpResponse | ((request: HttpRequest) => Promise<HttpResponse>),
  about: HandledRequest = {},
): App {
  return async request => ({
    ...about,
    response: typeof response === 'function' ? await response(request) : response,
  })
}

/** A small answer of text. */
export function ok(body: string, status = 200): HttpResponse {
  const bytes = Buffer.from(body)
  return {
    status,
    headers: { 'content-type': 'text/plain', 'content-length': String(bytes.length) },
    body: bytes,
  }
}

/** Sends bytes as they are and returns all that comes back until the server closes the connection. */
export async function exchangeRaw(port: number, bytes: string | Buffer): Promise<string> {
  const socket = await dial(port)
  socket.write(bytes)
  return text(socket)
}

export async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Waits for something that is bound to become true soon. */
export async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 6_000) throw new Error('it did not become true')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** The body of an answer that came as raw text. */
export function errorCode(raw: string): string {
  const document = JSON.parse(raw.slice(raw.indexOf('\r\n\r\n') + 4))
  return document.errors[0].code
}

/** The source of a pattern that matches exactly this text. */
export function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
