import { BackgroundProcess, eventually } from './command.ts'
import { freePort } from './free-port.ts'
import { findTool } from './requirements.ts'
import { TempDir } from './temp-dir.ts'

/** Debian's `docker-registry`: distribution 2.8, which has no referrers API. */
export class DockerRegistry implements AsyncDisposable {
  readonly host: string
  readonly #process: BackgroundProcess
  readonly #scratch: TempDir

  static async start(): Promise<DockerRegistry> {
    const scratch = new TempDir('docker-registry-')
    const host = `127.0.0.1:${await freePort()}`
    const config = scratch.write(
      'config.yml',
      `version: 0.1\nstorage: { filesystem: { rootdirectory: ${scratch.join('data')} } }\nhttp: { addr: "${host}" }\n`,
    )
    const started = new BackgroundProcess(findTool('docker-registry') ?? 'docker-registry', ['serve', config])
    const failed = () => `docker-registry does not listen:\n${started.logs}`
    await eventually(
      () =>
        fetch(`http://${host}/v2/`).then(
          ({ ok }) => ok,
          () => false,
        ),
      failed,
    )
    return new DockerRegistry(host, started, scratch)
  }

  private constructor(host: string, started: BackgroundProcess, scratch: TempDir) {
    this.host = host
    this.#process = started
    this.#scratch = scratch
  }

  get url(): string {
    return `http://${this.host}`
  }

  async stop(): Promise<void> {
    await this.#process.end('SIGKILL')
    this.#scratch.remove()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
