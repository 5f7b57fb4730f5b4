/** States of an instance, with their codes ("InstanceState" in the EC2 API reference). */
export const STATE_CODES = { pending: 0, running: 16, stopping: 64, stopped: 80 } as const
export type State = keyof typeof STATE_CODES

/** The operating system's only service: the relay. */
export interface Service {
  /** Resolves with the exit code when the process exits; `null` when a signal ended it. */
  readonly exited: Promise<number | null>
  end(signal: NodeJS.Signals): Promise<void>
}

interface InstanceOptions {
  /** Starts the service. */
  readonly startService: () => Service
  /** Time from StartInstances to the start of the service, in milliseconds. The state is `running` after three quarters of it. */
  readonly bootMs: number
  /** Time from the power-off to `stopped`, in milliseconds. EC2 reports `running` for the first half, as the real one does. */
  readonly shutdownMs: number
}

/** systemd starts a service that failed again after this time. */
const RESTART_MS = 1_000

/** EC2 refuses the action in this state. */
export class IncorrectState extends Error {
  override readonly name = 'IncorrectState'
}

/** One EC2 instance: its states, and the service that it runs. The service powers the instance off by exiting with 0. */
export class Ec2Instance {
  readonly id = 'i-0123456789abcdef0'
  bootMs: number
  shutdownMs: number
  /** Number of times that the instance was started while it was stopped. */
  starts = 0
  /** False: a service that fails stays down, as when the relay hangs or is misconfigured. */
  restartsService = true
  readonly #startService: () => Service
  readonly #timers = new Set<NodeJS.Timeout>()
  #state: State = 'stopped'
  /** Whether the kernel runs, and answers on the network. */
  #isUp = false
  #service: Service | undefined

  constructor({ startService, bootMs, shutdownMs }: InstanceOptions) {
    this.#startService = startService
    this.bootMs = bootMs
    this.shutdownMs = shutdownMs
  }

  get state(): State {
    return this.#state
  }

  /** Whether a connection to the instance is accepted or refused. Otherwise, it times out. */
  get isReachable(): boolean {
    return this.#isUp
  }

  /** @returns the state before. Has no effect on an instance that runs. @throws {IncorrectState} */
  start(): State {
    const previous = this.#state
    if (previous === 'stopping') throw new IncorrectState()
    if (previous !== 'stopped') return previous
    this.starts++
    this.#state = 'pending'
    this.#after(this.bootMs * 0.75, () => {
      this.#state = 'running'
      this.#isUp = true
    })
    this.#after(this.bootMs, () => this.#run())
    return previous
  }

  /** @returns the state before. Has no effect on an instance that is stopped. @throws {IncorrectState} */
  stop(): State {
    const previous = this.#state
    if (previous === 'pending') throw new IncorrectState()
    if (previous !== 'running') return previous
    this.#state = 'stopping'
    void this.#shutDown()
    return previous
  }

  /** Kills the service, as a crash or the kernel does. */
  async killService(): Promise<void> {
    await this.#service?.end('SIGKILL')
  }

  /** Makes the instance `stopped` at once, between tests and at their end. */
  async reset(): Promise<void> {
    this.#clearTimers()
    const service = this.#service
    this.#service = undefined
    this.#isUp = false
    await service?.end('SIGTERM')
    this.#state = 'stopped'
    this.starts = 0
    this.restartsService = true
  }

  #run(): void {
    const service = this.#startService()
    this.#service = service
    void service.exited.then(code => {
      if (this.#service !== service) return
      this.#service = undefined
      if (code === 0) this.#powerOff()
      else if (this.restartsService) this.#after(RESTART_MS, () => this.#run())
    })
  }

  #powerOff(): void {
    this.#clearTimers()
    this.#isUp = false
    this.#after(this.shutdownMs / 2, () => {
      this.#state = 'stopping'
    })
    this.#after(this.shutdownMs, () => {
      this.#state = 'stopped'
    })
  }

  async #shutDown(): Promise<void> {
    this.#clearTimers()
    const service = this.#service
    this.#service = undefined
    await service?.end('SIGTERM')
    this.#isUp = false
    this.#after(this.shutdownMs, () => {
      this.#state = 'stopped'
    })
  }

  #after(milliseconds: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, milliseconds)
    this.#timers.add(timer)
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}
