import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Written to standard input. */
  readonly input?: string
  /** The command is killed after this. Five minutes when absent. */
  readonly timeoutMs?: number
}

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end, whatever its exit code. */
export async function attempt(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: 'pipe',
    timeout: options.timeoutMs ?? 300_000,
    killSignal: 'SIGKILL',
  })
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  // A command that reads no input may close it before we have written it.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? -1, stdout: stdout.text, stderr: stderr.text }
}

/**
 * Runs a command and gives what it printed on standard output.
 * @throws {Error} with everything it printed, if its exit code is not 0
 */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await attempt(command, args, options)
  if (result.code === 0) return result.stdout
  const line = [command, ...args].join(' ')
  throw new Error(`${line}\nended with ${result.code}\n${result.stdout}${result.stderr}`)
}

/** A program that keeps running beside the tests. What it prints is kept for the message of a failing test. */
export class BackgroundProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #printed: { text: string }[]

  constructor(
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string | undefined>> = {},
  ) {
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#printed = [this.#child.stdout, this.#child.stderr].map(collect)
    this.#exited = new Promise(resolve => this.#child.once('close', resolve).once('error', resolve))
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get exitCode(): number | null {
    return this.#child.exitCode
  }

  get stdout(): string {
    return this.#printed[0]?.text ?? ''
  }

  get logs(): string {
    return this.#printed.map(({ text }) => text).join('')
  }

  /** Sends the signal and waits for the end. The whole wait is bounded: what does not go is killed. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.running) return
    this.#child.kill(signal)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 30_000)
    await this.#exited
    clearTimeout(timer)
  }
}

function collect(stream: NodeJS.ReadableStream | null): { text: string } {
  const collected = { text: '' }
  stream?.setEncoding('utf8').on('data', (text: string) => {
    collected.text += text
  })
  return collected
}

/**
 * Asks again and again until the answer is neither `undefined` nor `false`.
 * @throws {Error} with what `describe` tells, after the time is up
 */
export async function eventually<T>(
  ask: () => T | Promise<T>,
  describe: () => string,
  timeoutMs = 30_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== null && answer !== false)
      return answer as NonNullable<Exclude<T, false>>
    if (Date.now() > deadline) throw new Error(describe())
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
