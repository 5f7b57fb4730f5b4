import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const RUNTIME = fileURLToPath(new URL('./runtime.js', import.meta.url))

/** What a synchronous invocation may bring, and what it may answer. Bytes of JSON. */
export const PAYLOAD_LIMIT = 6_291_556

/** The event is too large: Lambda never sees it. */
export class RequestTooLarge extends Error {
  override readonly name = 'RequestTooLarge'
}

/** As many environments are at work as there may be. */
export class TooManyRequests extends Error {
  override readonly name = 'TooManyRequests'
}

/** The function did not answer as it should: it threw, died, took too long, or said too much. */
export class FunctionFailed extends Error {
  override readonly name = 'FunctionFailed'
}

export interface LambdaOptions {
  /** Path of the bundle that `infra/bundle.ts` made. */
  readonly bundle: string
  /** All that the function finds in its environment. */
  readonly environment: Readonly<Record<string, string>>
  /** Milliseconds. */
  readonly timeout: number
  /** Environments at most. Real accounts begin with 10 to 1,000. */
  readonly concurrency?: number
}

const CONCURRENCY = 50

/**
 * A Lambda function: the bundle that is deployed, in processes of its own. Each takes one event at a time and is kept for
 * the next; when all are at work another one starts cold, up to a number.
 */
export class Lambda {
  readonly #options: LambdaOptions
  readonly #idle: ChildProcess[] = []
  readonly #all = new Set<ChildProcess>()
  /** Sizes of the events so far, in bytes of JSON. */
  readonly payloads: number[] = []
  coldStarts = 0
  logs = ''
  /** Called when an environment has its event: a test may kill it there. */
  onEvent: (environment: ChildProcess) => void = () => {}

  constructor(options: LambdaOptions) {
    this.#options = options
  }

  /** @throws {RequestTooLarge} @throws {TooManyRequests} @throws {FunctionFailed} */
  async invoke(event: unknown): Promise<unknown> {
    const payload = Buffer.byteLength(JSON.stringify(event))
    if (payload > PAYLOAD_LIMIT) throw new RequestTooLarge(`an event of ${payload} bytes`)
    const { concurrency = CONCURRENCY } = this.#options
    if (this.#idle.length === 0 && this.#all.size >= concurrency) throw new TooManyRequests()
    this.payloads.push(payload)
    const environment = this.#idle.pop() ?? (await this.#start())
    const answer = await this.#ask(environment, event)
    this.#idle.push(environment)
    const { result, error } = answer as { result?: unknown; error?: { errorMessage: string } }
    if (error) throw new FunctionFailed(error.errorMessage)
    if (Buffer.byteLength(JSON.stringify(result ?? null)) > PAYLOAD_LIMIT)
      throw new FunctionFailed('Response payload size exceeded maximum allowed payload size')
    return result
  }

  async #ask(environment: ChildProcess, event: unknown): Promise<unknown> {
    const { timeout } = this.#options
    const stop = new AbortController()
    const late = setTimeout(() => environment.kill('SIGKILL'), timeout)
    try {
      const answered = once(environment, 'message', { signal: stop.signal }).then(([answer]) => answer)
      const ended = once(environment, 'exit', { signal: stop.signal }).then(() => {
        throw new FunctionFailed('the environment ended in the middle')
      })
      environment.send({ event, deadline: Date.now() + timeout })
      this.onEvent(environment)
      return await Promise.race([answered, ended])
    } finally {
      clearTimeout(late)
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
      const at = this.#idle.indexOf(environment)
      if (at >= 0) this.#idle.splice(at, 1)
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
