import { readFileSync } from 'node:fs'
import {
  attempt,
  BackgroundProcess,
  type CommandOptions,
  type CommandResult,
  eventually,
  run,
} from './command.ts'
import { findTool } from './requirements.ts'
import { TempDir } from './temp-dir.ts'

/** A separate Docker Engine for tests, which changes nothing of the machine's engine. Its containers can use only the host network. */
export class Dockerd implements AsyncDisposable {
  readonly #scratch = new TempDir('longshore-docker-')
  #daemon: BackgroundProcess | undefined

  /** Starts the engine with the storage driver overlay2, or with vfs, which works everywhere. */
  static async start(): Promise<Dockerd> {
    const engine = new Dockerd()
    try {
      if (!(await engine.#listens('overlay2')) && !(await engine.#listens('vfs')))
        throw new Error(`dockerd does not start:\n${engine.#daemon?.logs}`)
      return engine
    } catch (error) {
      await engine.stop()
      throw error
    }
  }

  /** Runs the `docker` command against this engine. */
  docker(...args: string[]): Promise<string> {
    return this.dockerAs({}, ...args)
  }

  /** Runs the `docker` command against this engine until it exits, with any exit code. */
  attempt(...args: string[]): Promise<CommandResult> {
    return attempt('docker', args, { env: this.#isolated })
  }

  /** Runs the `docker` command with more environment variables, or with standard input. */
  dockerAs({ env, input }: Pick<CommandOptions, 'env' | 'input'>, ...args: string[]): Promise<string> {
    return run('docker', args, { env: { ...this.#isolated, ...env }, ...(input !== undefined && { input }) })
  }

  /** The credentials and the context of the user who runs the tests must not be used. */
  get #isolated() {
    return { DOCKER_HOST: this.#host, DOCKER_CONFIG: this.#scratch.join('config'), DOCKER_CONTEXT: '' }
  }

  async imageId(name: string): Promise<string> {
    return (await this.docker('image', 'inspect', '-f', '{{.Id}}', name)).trim()
  }

  /** Pushes an image, removes it from the engine and pulls it. */
  async pushAndPullBack(name: string): Promise<void> {
    await this.docker('push', name)
    await this.docker('image', 'rm', name)
    await this.docker('pull', name)
  }

  async stop(): Promise<void> {
    await this.#daemon?.end()
    await this.#unmount()
    this.#scratch.remove()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** The engine leaves network namespaces of containers mounted, even after it has ended. */
  async #unmount(): Promise<void> {
    const mounts = readFileSync('/proc/mounts', 'utf8').split('\n')
    const own = mounts
      .map(line => line.split(' ')[1] ?? '')
      .filter(path => path.startsWith(this.#scratch.path))
    for (const path of own.reverse()) await attempt('umount', ['--lazy', path])
  }

  get #host(): string {
    return `unix://${this.#scratch.join('docker.sock')}`
  }

  async #listens(driver: string): Promise<boolean> {
    const folder = this.#scratch.join(driver)
    const daemon = new BackgroundProcess(findTool('dockerd') ?? 'dockerd', [
      ...['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false'],
      ...[
        '--storage-driver',
        driver,
        '--host',
        this.#host,
        '--config-file',
        this.#scratch.write('daemon.json', '{}'),
      ],
      ...['--data-root', `${folder}/data`, '--exec-root', `${folder}/exec`, '--pidfile', `${folder}.pid`],
    ])
    this.#daemon = daemon
    const hasResponded = async () =>
      !daemon.running || (await attempt('docker', ['-H', this.#host, 'version'])).code === 0
    await eventually(hasResponded, () => `dockerd does not respond:\n${daemon.logs}`, 60_000)
    return daemon.running
  }
}
