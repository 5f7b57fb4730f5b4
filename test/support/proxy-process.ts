import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BackgroundProcess, eventually } from './command.ts'
import { expectNoSecrets } from './secrets-in-logs.ts'
import { TempDir } from './temp-dir.ts'

const COMMAND = fileURLToPath(new URL('../../cli/longshore.js', import.meta.url))

interface ProxyProcessOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** `longshore proxy`, a process of its own, on a free port. */
export class ProxyProcess implements AsyncDisposable {
  /** Docker trusts 127.0.0.1 without TLS. */
  readonly host: string
  readonly #process: BackgroundProcess
  readonly #scratch: TempDir

  /** @param registry as on the command line */
  static async start(
    registry: string,
    { args = [], env = {} }: ProxyProcessOptions = {},
  ): Promise<ProxyProcess> {
    const scratch = new TempDir('longshore-proxy-')
    const config = { DOCKER_CONFIG: scratch.folder('docker'), TMPDIR: scratch.folder('tmp') }
    const words = [COMMAND, 'proxy', registry, '--listen', '127.0.0.1:0', ...args]
    const started = new BackgroundProcess(process.execPath, words, { ...config, ...env })
    const failed = () => `the proxy does not listen:\n${started.logs}`
    const host = await eventually(() => {
      if (!started.running) throw new Error(failed())
      return /^http:\/\/(127\.0\.0\.1:\d+) /.exec(started.stdout)?.[1]
    }, failed)
    return new ProxyProcess(host, started, scratch)
  }

  private constructor(host: string, started: BackgroundProcess, scratch: TempDir) {
    this.host = host
    this.#process = started
    this.#scratch = scratch
  }

  get pid(): number {
    return this.#process.pid
  }

  get exitCode(): number | null {
    return this.#process.exitCode
  }

  get logs(): string {
    return this.#process.logs
  }

  /** Names in its folder for temporary files. */
  get temporaryFiles(): string[] {
    return readdirSync(this.#scratch.join('tmp'))
  }

  end(signal: NodeJS.Signals): Promise<void> {
    return this.#process.end(signal)
  }

  /** @throws {Error} when its log holds a secret */
  async stop(): Promise<void> {
    await this.#process.end('SIGTERM')
    this.#scratch.remove()
    expectNoSecrets(this.logs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
