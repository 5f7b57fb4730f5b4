import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { type Auth, createAuth } from '../../lambda/auth/auth.ts'
import { Keyring } from '../../lambda/auth/tokens/keyring.ts'
import { TOKEN_LIFETIME_SECONDS } from '../../lambda/auth/tokens/tokens.ts'
import type { App } from '../../lambda/http/app.ts'
import { createRegistryApp } from '../../lambda/registry-app.ts'
import { Log } from '../../server/log.ts'
import { createHttpServer, type HttpServer } from '../../server/node-http.ts'
import { newKey } from './auth.ts'
import { MemoryBlobs } from './memory-blobs.ts'
import { MemoryTable } from './memory-table.ts'
import { cheapPasswords } from './passwords.ts'
import { GRACE_PERIOD, UPLOAD_LIFETIME } from './registry.ts'
import { expectNoSecrets } from './secrets-in-logs.ts'

/**
 * A registry with logins on a socket in this process, so that a test can advance its clock while a real client uses it.
 */
export class GuardedServer implements AsyncDisposable {
  /**
   * Called when the app has a response, before the client gets it.
   * @param before number of requests before this one in {@link served}
   */
  between: (before: number) => void | Promise<void> = () => {}
  /** Each request with its route and status, such as `PUT /v2/<name>/manifests/<reference> 201`. */
  readonly served: string[] = []
  readonly auth: Auth
  /** Milliseconds by which the server's clock is ahead of the client's. */
  #ahead = 0
  #log = ''
  readonly #http: HttpServer

  /** @param tokensLeft remaining lifetime of each token when it is issued, in milliseconds; an hour when absent */
  static async start({ tokensLeft = TOKEN_LIFETIME_SECONDS * 1000 } = {}): Promise<GuardedServer> {
    const server = new GuardedServer(tokensLeft)
    server.#http.server.listen(0, '127.0.0.1')
    await once(server.#http.server, 'listening')
    return server
  }

  private constructor(tokensLeft: number) {
    const table = new MemoryTable()
    const clock = () => Date.now() + this.#ahead
    const keyring = new Keyring([newKey()])
    const parts = { table, keyring: () => keyring, passwords: cheapPasswords }
    // Backdated tokens expire early, both for the registry and for clients that read `issued_at`.
    const issuing = createAuth({
      ...parts,
      clock: () => clock() - (TOKEN_LIFETIME_SECONDS * 1000 - tokensLeft),
    })
    this.auth = { ...createAuth({ ...parts, clock }), tokens: issuing.tokens }
    const deps = { table, store: new MemoryBlobs(), clock, newId: randomUUID }
    const { app } = createRegistryApp(
      { ...deps, gracePeriod: GRACE_PERIOD, uploadLifetime: UPLOAD_LIFETIME },
      { auth: this.auth },
    )
    const write = (piece: Buffer, _: unknown, done: () => void) => {
      this.#log += piece
      done()
    }
    this.#http = createHttpServer({
      app: this.#recording(app),
      log: new Log(new Writable({ write }), 'json'),
    })
  }

  /** Host and port. Docker and other clients use HTTP for 127.0.0.1 by default. */
  get host(): string {
    return `127.0.0.1:${(this.#http.server.address() as AddressInfo).port}`
  }

  /** Advances the clock of the server, not that of its clients. */
  async wait(milliseconds: number): Promise<void> {
    this.#ahead += milliseconds
  }

  /** @throws {Error} when the log contains a secret */
  async stop(): Promise<void> {
    this.#http.closeAll()
    this.#http.server.close()
    await this.#http.settled()
    expectNoSecrets(this.#log)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #recording(app: App): App {
    return async request => {
      const exchange = await app(request)
      const { route = request.path, response } = exchange
      const before = this.served.push(`${request.method} ${route} ${response?.status ?? 'no response'}`) - 1
      await this.between(before)
      return exchange
    }
  }
}
