import { fileURLToPath } from 'node:url'
import { BackgroundProcess, eventually } from '../../support/command.ts'

const RELAY = fileURLToPath(new URL('../../../server/relay.ts', import.meta.url))

/** The processes of the relay: `server/relay.ts` on one port, started once or at each boot of its instance. */
export class RelayProcesses {
  readonly port: number
  readonly #environment: Readonly<Record<string, string>>
  readonly #started: BackgroundProcess[] = []

  constructor(port: number, environment: Readonly<Record<string, string>>) {
    this.port = port
    this.#environment = environment
  }

  get logs(): string {
    return this.#started.map(({ logs }) => logs).join('')
  }

  start(): BackgroundProcess {
    const started = new BackgroundProcess(process.execPath, [RELAY], {
      ...this.#environment,
      PORT: String(this.port),
    })
    this.#started.push(started)
    return started
  }

  /** Resolves when the relay listens. */
  async listening(): Promise<void> {
    const isListening = () =>
      fetch(`http://127.0.0.1:${this.port}/v2/`)
        .then(({ status }) => status === 403)
        .catch(() => false)
    await eventually(isListening, () => this.logs)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#started.map(started => started.end()))
  }
}
