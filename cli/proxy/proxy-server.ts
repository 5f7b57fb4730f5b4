import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { ClientError } from '../../lambda/client/client-error.ts'
import type { FindLogin } from '../../lambda/client/registry/authorization.ts'
import type { Registry } from '../../lambda/client/registry/registry.ts'
import { Log } from '../../server/log.ts'
import { createHttpServer, type HttpServer } from '../../server/node-http.ts'
import type { ListenAddress } from '../arguments.ts'
import { CliError } from '../cli-error.ts'
import type { Login } from '../docker-config.ts'
import type { Output } from '../io.ts'
import { createProxyApp } from './proxy-app.ts'
import { ProxyUploads } from './uploads.ts'
import { Upstream } from './upstream.ts'

export interface ProxyServerOptions {
  readonly registry: Registry
  readonly findLogin: FindLogin
  readonly listen: ListenAddress
  /** What clients must log in with. Their logins are forwarded to the registry where it is absent. */
  readonly auth?: Login | undefined
  readonly stream: boolean
  /** Folder for temporary files. */
  readonly scratch: string
  /** What all temporary files together may hold, in bytes. */
  readonly space: number
  /** Takes the access log. */
  readonly log: Output
  readonly maxPut?: number
}

/** The proxy on a socket. */
export class ProxyServer {
  readonly uploads: ProxyUploads
  readonly #http: HttpServer
  readonly #log: Log
  readonly #stopping = new AbortController()

  /** @throws {CliError} where the address is taken or is not of this machine */
  static async start(options: ProxyServerOptions): Promise<ProxyServer> {
    const server = new ProxyServer(options)
    const { host, port } = options.listen
    const listening = once(server.#http.server, 'listening')
    server.#http.server.listen(port, host)
    try {
      await listening
      return server
    } catch (error) {
      await server.uploads.close()
      const { code } = error as NodeJS.ErrnoException
      const reason = code === 'EADDRINUSE' ? 'the port is in use: choose another one with --listen' : code
      throw new CliError(`cannot listen on ${host}:${port}: ${reason}`)
    }
  }

  private constructor({
    registry,
    findLogin,
    auth,
    stream,
    scratch,
    space,
    log,
    maxPut,
  }: ProxyServerOptions) {
    const write = (piece: Buffer, _: unknown, done: () => void) => {
      log.write(String(piece))
      done()
    }
    this.#log = new Log(new Writable({ write }), 'text')
    this.uploads = new ProxyUploads({ scratch, space })
    const upstream = new Upstream({
      registry,
      findLogin,
      forwardsLogins: auth === undefined,
      clock: Date.now,
      signal: this.#stopping.signal,
    })
    const app = createProxyApp({
      upstream,
      uploads: this.uploads,
      stream,
      auth,
      ...(maxPut !== undefined && { maxPut }),
    })
    this.#http = createHttpServer({ app, log: this.#log })
  }

  /** Host and port, as in image names. */
  get host(): string {
    const { address, port, family } = this.#http.server.address() as AddressInfo
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
  }

  /** Breaks all connections and removes the temporary files. */
  async stop(): Promise<void> {
    this.#stopping.abort(new ClientError('the proxy stops'))
    this.#http.closeAll()
    this.#http.server.close()
    await this.#http.settled()
    await this.uploads.close()
    this.#log.flush()
  }
}

/** Whether only this machine reaches an address. */
export function isLoopback({ host }: ListenAddress): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
