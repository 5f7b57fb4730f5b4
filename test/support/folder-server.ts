import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { createAuth } from '../../lambda/auth/auth.ts'
import { federatedLogins } from '../../lambda/auth/identity/federated/federated.ts'
import { type Issuer, parseIssuers } from '../../lambda/auth/identity/federated/issuers.ts'
import { Keyring } from '../../lambda/auth/tokens/keyring.ts'
import { createRegistryApp } from '../../lambda/registry-app.ts'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { SqliteTable } from '../../lambda/store/sqlite/table.ts'
import { databaseIn } from '../../server/data-folder.ts'
import { Log } from '../../server/log.ts'
import { createHttpServer } from '../../server/node-http.ts'
import { newKey } from './auth.ts'
import { freePort } from './free-port.ts'
import { cheapPasswords } from './passwords.ts'
import { GRACE_PERIOD, UPLOAD_LIFETIME } from './registry.ts'
import { expectNoSecrets } from './secrets-in-logs.ts'

interface FolderServerOptions {
  /** Whether every client has full access. */
  readonly open?: boolean
  readonly awsAccounts?: readonly string[]
  readonly stsEndpoint?: string
  /** In the format of the `--issuers` file. */
  readonly issuers?: unknown
}

/** The registry on a data folder, served by this process with password hashes of a low cost. */
export class FolderServer implements AsyncDisposable {
  readonly host: string
  readonly #stop: () => Promise<void>

  static async start(folder: string, options: FolderServerOptions = {}): Promise<FolderServer> {
    const table = new SqliteTable(databaseIn(folder))
    const store = await FileBlobs.open(folder)
    const keyring = new Keyring([newKey()])
    const { open = false, awsAccounts = [], stsEndpoint } = options
    const issuers: Issuer[] = options.issuers ? parseIssuers(options.issuers) : []
    const federated = federatedLogins({ awsAccounts, issuers, stsEndpoint, clock: Date.now })
    const parts = { table, clock: Date.now, keyring: () => keyring, federated, passwords: cheapPasswords }
    const host = `localhost:${await freePort()}`
    const deps = {
      table,
      store,
      clock: Date.now,
      newId: randomUUID,
      gracePeriod: GRACE_PERIOD,
      uploadLifetime: UPLOAD_LIFETIME,
    }
    const { app } = createRegistryApp(deps, {
      origin: `http://${host}`,
      auth: open ? undefined : createAuth(parts),
    })
    let logged = ''
    const write = (piece: Buffer, _: unknown, done: () => void) => {
      logged += piece
      done()
    }
    const http = createHttpServer({ app, log: new Log(new Writable({ write }), 'json') })
    http.server.listen(Number(host.split(':')[1]), '127.0.0.1')
    await once(http.server, 'listening')
    const stop = async () => {
      http.closeAll()
      http.server.close()
      await http.settled()
      await table.close()
      expectNoSecrets(logged)
    }
    return new FolderServer(host, stop)
  }

  private constructor(host: string, stop: () => Promise<void>) {
    this.host = host
    this.#stop = stop
  }

  get url(): string {
    return `http://${this.host}`
  }

  /** @throws {Error} when the log contains a secret */
  stop(): Promise<void> {
    return this.#stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
