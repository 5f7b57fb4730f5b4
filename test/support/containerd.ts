import { attempt, BackgroundProcess, eventually, run } from './command.ts'
import { TempDir } from './temp-dir.ts'

/** A separate containerd for tests, used through its `ctr` command. It runs no containers. */
export class Containerd implements AsyncDisposable {
  readonly #scratch = new TempDir('longshore-containerd-')
  readonly #daemon: BackgroundProcess

  static async start(): Promise<Containerd> {
    const containerd = new Containerd()
    const hasResponded = async () => (await attempt('ctr', ['-a', containerd.#address, 'version'])).code === 0
    await eventually(hasResponded, () => `containerd does not respond:\n${containerd.#daemon.logs}`, 60_000)
    return containerd
  }

  private constructor() {
    // The Kubernetes interface (CRI) needs a network configuration; opt installs plugins on the machine.
    const config = this.#scratch.write(
      'config.toml',
      `version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n`,
    )
    const { path } = this.#scratch
    this.#daemon = new BackgroundProcess('containerd', [
      ...['--config', config, '--address', this.#address],
      ...['--root', `${path}/root`, '--state', `${path}/state`],
    ])
  }

  images(...args: string[]): Promise<string> {
    return run('ctr', ['-a', this.#address, 'images', ...args])
  }

  content(...args: string[]): Promise<string> {
    return run('ctr', ['-a', this.#address, 'content', ...args])
  }

  async stop(): Promise<void> {
    await this.#daemon.end()
    this.#scratch.remove()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  get #address(): string {
    return this.#scratch.join('containerd.sock')
  }
}
