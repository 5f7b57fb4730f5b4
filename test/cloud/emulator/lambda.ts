import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const RUNTIME = fileURLToPath(new URL('./runtime.js', import.meta.url))

/** Maximum size of the event and of the result of a synchronous invocation, in bytes of JSON. */
export const PAYLOAD_LIMIT = 6_291_556

/** The event is too large. The function is not invoked. */
export class RequestTooLarge extends Error {
  override readonly name = 'RequestTooLarge'
}

/** All environments that the concurrency limit allows are busy. */
export class TooManyRequests extends Error {
  override readonly name = 'TooManyRequests'
}

/** The function threw, ended, timed out, or returned a result that is too large. */
export class FunctionFailed extends Error {
  override readonly name = 'FunctionFailed'
}

export interface LambdaOptions {
  /** Path of the bundle that `infra/bundle.ts` made. */
  readonly bundle: string
  /** All environment variables of the function. */
  readonly environment: Readonly<Record<string, string>>
  /** In milliseconds. */
  readonly timeout: number
  /** Maximum number of environments. New AWS accounts have 10 to 1,000. */
  readonly concurrency?: number
}

const DEFAULT_CONCURRENCY = 50

/**
 * Emulates a Lambda function: runs the deployed bundle in child processes, its environments. An environment handles one
 * event at a time and is reused. When all are busy, another one starts, up to the concurrency limit.
 */
export class Lambda {
  readonly #options: LambdaOptions
  readonly #idle: ChildProcess[] = []
  readonly #all = new Set<ChildProcess>()
  /** Sizes of the events so far, in bytes of JSON. */
  readonly payloads: number[] = []
  coldStarts = 0
  logs = ''
  /** Called when an environment has received an event. A test may kill the environment then. */
  onEvent: (environment: ChildProcess) => void = () => {}

  constructor(options: LambdaOptions) {
    this.#options = options
  }

  /** @throws {RequestTooLarge} @throws {TooManyRequests} @throws {FunctionFailed} */
  async invoke(event: unknown): Promise<unknown> {
    const payload = Buffer.byteLength(JSON.stringify(event))
    if (payload > PAYLOAD_LIMIT) throw new RequestTooLarge(`an event of ${payload} bytes`)
    const { concurrency = DEFAULT_CONCURRENCY } = this.#options
    if (this.#idle.length === 0 && this.#all.size >= concurrency) throw new TooManyRequests()
    this.payloads.push(payload)
    const environment = this.#idle.pop() ?? (await this.#start())
    const message = await this.#send(environment, event)
    this.#idle.push(environment)
    const { result, error } = message as { result?: unknown; error?: { errorMessage: string } }
    if (error) throw new FunctionFailed(error.errorMessage)
    if (Buffer.byteLength(JSON.stringify(result ?? null)) > PAYLOAD_LIMIT)
      throw new FunctionFailed('Response payload size exceeded maximum allowed payload size')
    return result
  }

  async #send(environment: ChildProcess, event: unknown): Promise<unknown> {
    const { timeout } = this.#options
    const stop = new AbortController()
    const timer = setTimeout(() => environment.kill('SIGKILL'), timeout)
    try {
      const responded = once(environment, 'message', { signal: stop.signal }).then(([message]) => message)
      const ended = once(environment, 'exit', { signal: stop.signal }).then(() => {
        throw new FunctionFailed('the environment ended before it responded')
      })
      environment.send({ event, deadline: Date.now() + timeout })
      this.onEvent(environment)
      return await Promise.race([responded, ended])
    } finally {
      clearTimeout(timer)
      stop.abort()
    }
  }

  async #start(): Promise<ChildProcess> {
    this.coldStarts++
    const { bundle, environment: env } = this.#options
    const environment = fork(RUNTIME, [bundle], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.#all.add(environment)
    for (const stream of [environment.stdout, environment.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.logs += text
      })
    environment.once('exit', () => {
      this.#all.delete(environment)
      const index = this.#idle.indexOf(environment)
      if (index >= 0) this.#idle.splice(index, 1)
    })
    const ready = once(environment, 'message')
    const ended = once(environment, 'exit').then(() => {
      throw new FunctionFailed(`the environment did not start: ${this.logs.slice(-2000)}`)
    })
    await Promise.race([ready, ended])
    ended.catch(() => {})
    return environment
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.#all].map(async environment => {
        const ended = once(environment, 'exit')
        environment.kill('SIGKILL')
        await ended
      }),
    )
  }
}
