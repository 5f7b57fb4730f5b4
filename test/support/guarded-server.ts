import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { type Auth, createAuth } from '../../lambda/auth/auth.ts'
import { Keyring } from '../../lambda/auth/tokens/keyring.ts'
import { TOKEN_LIFETIME } from '../../lambda/auth/tokens/tokens.ts'
import type { App } from '../../lambda/http/app.ts'
import { createRegistryApp } from '../../lambda/registry-app.ts'
import { Log } from '../../server/log.ts'
import { createHttpServer, type HttpServer } from '../../server/node-http.ts'
import { newKey } from './auth.ts'
import { MemoryBlobs } from './memory-blobs.ts'
import { MemoryTable } from './memory-table.ts'
import { cheapPasswords } from './passwords.ts'
import { GRACE, UPLOAD_LIFE } from './registry.ts'
import { expectNoSecrets } from './secrets-in-logs.ts'

/** A request that was answered, as the route table and the status tell it: `PUT /v2/<name>/manifests/<reference> 201`. */
type Served = string

/** The registry with logins behind a real socket, in this process, so that a test can let time pass under a real client. */
export class GuardedServer implements AsyncDisposable {
  /** Called when the app has an answer, before the client gets it. It is given how many requests came before in {@link served}. */
  between: (before: number) => void | Promise<void> = () => {}
  readonly served: Served[] = []
  readonly auth: Auth
  /** Milliseconds by which its clock is ahead of the client's. */
  #ahead = 0
  #log = ''
  readonly #door: HttpServer

  /** @param tokensLeft for how many milliseconds a token works that it gives out, and says that it does; absent: an hour */
  static async start({ tokensLeft = TOKEN_LIFETIME * 1000 } = {}): Promise<GuardedServer> {
    const server = new GuardedServer(tokensLeft)
    server.#door.server.listen(0, '127.0.0.1')
    await once(server.#door.server, 'listening')
    return server
  }

  private constructor(tokensLeft: number) {
    const table = new MemoryTable()
    const clock = () => Date.now() + this.#ahead
    const keyring = new Keyring([newKey()])
    const parts = { table, keyring: () => keyring, passwords: cheapPasswords }
    // A token that was given out so long ago has no more than that left, for us and for every client that reads `issued_at`.
    const issuing = createAuth({ ...parts, clock: () => clock() - (TOKEN_LIFETIME * 1000 - tokensLeft) })
    this.auth = { ...createAuth({ ...parts, clock }), tokens: issuing.tokens }
    const deps = { table, store: new MemoryBlobs(), clock, newId: randomUUID }
    const { app } = createRegistryApp(
      { ...deps, gracePeriod: GRACE, uploadLifetime: UPLOAD_LIFE },
      { auth: this.auth },
    )
    const write = (piece: Buffer, _: unknown, done: () => void) => {
      this.#log += piece
      done()
    }
    this.#door = createHttpServer({ app: this.#watched(app), log: new Log(new Writable({ write }), 'json') })
  }

  /** Docker and others speak http to 127.0.0.1 unasked. */
  get host(): string {
    return `127.0.0.1:${(this.#door.server.address() as AddressInfo).port}`
  }

  /** Lets time pass here, and not for clients. */
  async wait(milliseconds: number): Promise<void> {
    this.#ahead += milliseconds
  }

  /** @throws {Error} when its log holds a secret */
  async stop(): Promise<void> {
    this.#door.closeAll()
    this.#door.server.close()
    await this.#door.settled()
    expectNoSecrets(this.#log)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #watched(app: App): App {
    return async request => {
      const exchange = await app(request)
      const { route = request.path, response } = exchange
      const before = this.served.push(`${request.method} ${route} ${response?.status ?? 'gone'}`) - 1
      await this.between(before)
      return exchange
    }
  }
}
