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
  readonly http: HttpServer
  readonly port: number
  readonly url: string
  /** The log records so far. */
  readonly records: () => LogRecord[]
  /** Waits until there are `count` log records, and returns all. */
  readonly logged: (count: number) => Promise<LogRecord[]>
}

/** A server in front of an app, on any free port, until the end of the test's scope. */
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
  const http = createHttpServer({ app, log, ...(limits && { limits }), tls, ...(client && { client }) })
  await listen(http.server, 0, '127.0.0.1')
  const { port } = http.server.address() as AddressInfo
  const records = () => {
    log.flush()
    return chunks
      .join('')
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line) as LogRecord)
  }
  return {
    http,
    port,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    records,
    async logged(count) {
      await until(() => records().length >= count)
      return records()
    },
    async [Symbol.asyncDispose]() {
      await closeGracefully(http, 0)
    },
  }
}

/** An app that gives the same response to every request. */
export function answering(
  response: HttpResponse | ((request: HttpRequest) => Promise<HttpResponse>),
  about: HandledRequest = {},
): App {
  return async request => ({
    ...about,
    response: typeof response === 'function' ? await response(request) : response,
  })
}

/** An app whose response tells what it received. */
export const echo = answering(async ({ method, path, query, body }) =>
  ok(JSON.stringify({ method, path, query: [...query], body: String(await bodyOf(body)) })),
)

/** Reads a whole body. */
export async function bodyOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}

/** What an {@link echo} app receives for a GET of this target. */
export async function seenBy(port: number, target: string): Promise<unknown> {
  const raw = await exchangeRaw(port, `GET ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`)
  return JSON.parse(raw.slice(raw.indexOf('\r\n\r\n') + 4))
}

/** A small response of text. */
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

/** Waits until a condition is true. @throws {Error} after half a minute */
export async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 6_000) throw new Error('it did not become true')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** The code of the error document in a raw response. */
export function errorCode(raw: string): string {
  const document = JSON.parse(raw.slice(raw.indexOf('\r\n\r\n') + 4))
  return document.errors[0].code
}

/** The source of a pattern that matches exactly this text. */
export function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** The body of a response that has no end. */
export class EndlessBody {
  /** Whether the server has released it. */
  isReleased = false

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      while (true) yield Buffer.alloc(1024 * 1024)
    } finally {
      this.isReleased = true
    }
  }
}
