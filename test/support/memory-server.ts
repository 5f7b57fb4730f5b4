import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import type { HttpRequest, HttpResponse } from '../../lambda/http/message.ts'
import { createRegistryApp } from '../../lambda/registry-app.ts'
import { Log } from '../../server/log.ts'
import { createHttpServer, type HttpServer } from '../../server/node-http.ts'
import { MemoryBlobs } from './memory-blobs.ts'
import { MemoryTable } from './memory-table.ts'
import { GRACE_PERIOD, UPLOAD_LIFETIME } from './registry.ts'
import { RegistryClient } from './registry-client.ts'

/** The registry in memory, without logins, behind a real socket in this process. */
export class MemoryServer implements AsyncDisposable {
  host = ''
  /** Such as `PUT /v2/app/manifests/v1 201`. */
  readonly served: string[] = []
  /** Responds in place of the registry. */
  intercept: (request: HttpRequest) => HttpResponse | undefined | Promise<HttpResponse | undefined> = () =>
    undefined
  /** Changes what the registry responds. */
  change: (response: HttpResponse, request: HttpRequest) => HttpResponse = response => response
  readonly #http: HttpServer

  static async start(): Promise<MemoryServer> {
    const server = new MemoryServer()
    server.#http.server.listen(0, '127.0.0.1')
    await once(server.#http.server, 'listening')
    server.host = `127.0.0.1:${(server.#http.server.address() as AddressInfo).port}`
    return server
  }

  private constructor() {
    const deps = { table: new MemoryTable(), store: new MemoryBlobs(), clock: Date.now, newId: randomUUID }
    const { app } = createRegistryApp(
      { ...deps, gracePeriod: GRACE_PERIOD, uploadLifetime: UPLOAD_LIFETIME },
      {},
    )
    const silent = new Log(new Writable({ write: (_, __, done) => done() }), 'json')
    this.#http = createHttpServer({
      app: async request => {
        const intercepted = await this.intercept(request)
        const handled = intercepted ? { response: intercepted } : await app(request)
        const response = handled.response && this.change(handled.response, request)
        this.served.push(`${request.method} ${request.path} ${response?.status ?? 'gone'}`)
        return { ...handled, ...(response && { response }) }
      },
      log: silent,
    })
  }

  get url(): string {
    return `http://${this.host}`
  }

  repository(name: string): RegistryClient {
    return new RegistryClient(this.url, name)
  }

  /** How many requests were served whose line matches. */
  count(pattern: RegExp): number {
    return this.served.filter(line => pattern.test(line)).length
  }

  /** Breaks all connections and listens no longer. */
  async stop(): Promise<void> {
    this.#http.closeAll()
    this.#http.server.close()
    await this.#http.settled()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** An empty response for {@link MemoryServer.intercept}. */
export function emptyResponse(status: number, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return { status, headers: { 'content-length': '0', ...headers } }
}
