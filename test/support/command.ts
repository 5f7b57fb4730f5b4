import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Written to standard input. */
  readonly input?: string
  /** The command is killed after this time. Absent: after five minutes. */
  readonly timeoutMs?: number
}

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command until it exits, with any exit code. The exit code of a killed command is -1. */
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
  // A command that does not read its input may close it before it is written completely.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? -1, stdout: stdout.text, stderr: stderr.text }
}

/**
 * Runs a command and returns its standard output.
 * @throws {Error} with its complete output when the exit code is not 0
 */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await attempt(command, args, options)
  if (result.code === 0) return result.stdout
  const line = [command, ...args].join(' ')
  throw new Error(`${line}\nexited with ${result.code}\n${result.stdout}${result.stderr}`)
}

/** A program that runs in the background of tests. Its output is kept for the messages of failing tests. */
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

  /** Resolves with the exit code when the process exits; with `null` when a signal ended it. */
  get exited(): Promise<number | null> {
    return this.#exited.then(() => this.#child.exitCode)
  }

  get stdout(): string {
    return this.#printed[0]?.text ?? ''
  }

  get logs(): string {
    return this.#printed.map(({ text }) => text).join('')
  }

  /** Sends the signal and waits for the process to exit. After 30 seconds the process is killed. */
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
 * Calls `poll` every 20 ms until its result is not `undefined`, `null` or `false`, and returns that result.
 * @throws {Error} with the message of `describe` after the timeout
 */
export async function eventually<T>(
  poll: () => T | Promise<T>,
  describe: () => string,
  timeoutMs = 30_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const result = await poll()
    if (result !== undefined && result !== null && result !== false)
      return result as NonNullable<Exclude<T, false>>
    if (Date.now() > deadline) throw new Error(describe())
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
