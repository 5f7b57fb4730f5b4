import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FIXTURE = fileURLToPath(new URL('fixture.ts', import.meta.url))

/** A temporary folder that is deleted at the end of the test's scope. */
export function freshFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'longshore-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** A server in a process of its own. */
export class ServerProcess implements AsyncDisposable {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly #exit: Promise<unknown[]>

  /** @param wrapper a command and its arguments that run the server's command line, which is put behind them */
  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    wrapper: readonly string[] = [],
  ) {
    const [command = '', ...rest] = [...wrapper, process.execPath, FIXTURE, ...args]
    this.child = spawn(command, rest, {
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        NO_COLOR: '1',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.on('data', chunk => {
      this.stdout += chunk
    })
    this.child.stderr?.on('data', chunk => {
      this.stderr += chunk
    })
    this.#exit = once(this.child, 'close')
  }

  /** Starts a server on any free port and waits until it listens. */
  static async listening(folder: string, ...args: string[]): Promise<ServerProcess> {
    return new ServerProcess(['--port', '0', '--data', folder, ...args]).#listens()
  }

  /** Starts a server that may have this many files and sockets open. */
  static async withOpenFiles(limit: number, folder: string): Promise<ServerProcess> {
    const wrapper = ['sh', '-c', `ulimit -n ${limit} && exec "$@"`, 'sh']
    return new ServerProcess(['--port', '0', '--data', folder], {}, wrapper).#listens()
  }

  async #listens(): Promise<this> {
    await Promise.race([this.says('listens on'), this.#exit])
    if (this.child.exitCode !== null) throw new Error(`it did not start: ${this.stderr}`)
    return this
  }

  get url(): string {
    return /listens on (\S+)/.exec(this.stdout)?.[1] ?? ''
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** Resolves when the text has been printed to stdout. */
  async says(text: string): Promise<void> {
    while (!this.stdout.includes(text)) await new Promise(resolve => setTimeout(resolve, 10))
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** The exit code, or the signal that ended it. */
  async ended(): Promise<unknown> {
    const [code, signal] = await this.#exit
    return code ?? signal
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL')
    await this.#exit
  }
}
