import { fileURLToPath } from 'node:url'
import { BackgroundProcess, eventually } from './command.ts'
import { expectNoSecrets } from './secrets-in-logs.ts'
import { TempDir } from './temp-dir.ts'

const START = fileURLToPath(new URL('../../server/start.js', import.meta.url))

interface LocalServerOptions {
  /** The data folder. Absent: a temporary folder, which is removed at the end. */
  readonly data?: string
  readonly tls?: { readonly cert: string; readonly key: string }
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** The registry as `npm start` runs it, in a separate process on a free port. */
export class LocalServer implements AsyncDisposable {
  readonly #options: LocalServerOptions
  readonly #scratch = new TempDir('longshore-data-')
  #process: BackgroundProcess | undefined
  #port = 0
  #earlierLogs = ''

  static async start(options: LocalServerOptions = {}): Promise<LocalServer> {
    const server = new LocalServer(options)
    try {
      await server.restart()
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  }

  private constructor(options: LocalServerOptions) {
    this.#options = options
  }

  get data(): string {
    return this.#options.data ?? this.#scratch.path
  }

  /** `localhost:<port>`, the first part of a repository's full name. Docker trusts `localhost` without TLS. */
  get host(): string {
    return `localhost:${this.#port}`
  }

  get url(): string {
    return `${this.#options.tls ? 'https' : 'http'}://${this.host}`
  }

  get pid(): number {
    return this.#process?.pid ?? -1
  }

  get running(): boolean {
    return this.#process?.running ?? false
  }

  get exitCode(): number | null {
    return this.#process?.exitCode ?? null
  }

  get logs(): string {
    return this.#earlierLogs + (this.#process?.logs ?? '')
  }

  /** Starts the server, after the first time on the same port, and waits until it listens. */
  async restart(): Promise<void> {
    await this.kill('SIGTERM')
    const { tls, args = [], env = {} } = this.#options
    const secured = tls ? ['--tls-cert', tls.cert, '--tls-key', tls.key] : []
    const all = [START, '--port', `${this.#port}`, '--data', this.data, ...secured, ...args]
    const started = new BackgroundProcess(process.execPath, all, env)
    this.#earlierLogs = this.logs
    this.#process = started
    const failure = () => `the server does not listen:\n${started.logs}`
    const port = await eventually(() => {
      if (!started.running) throw new Error(failure())
      return /https?:\/\/localhost:(\d+)/.exec(started.stdout)?.[1]
    }, failure)
    this.#port = Number(port)
  }

  /** Ends the process by a signal and waits for its end. The data stays. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    await this.#process?.end(signal)
  }

  /** Stops the server. @throws {Error} when its log contains a secret */
  async stop(): Promise<void> {
    await this.kill('SIGTERM')
    this.#scratch.remove()
    expectNoSecrets(this.logs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
