import { homedir } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { Passwords } from '../lambda/auth/identity/passwords.ts'
import type { Credentials } from '../lambda/store/shared/aws-signing.ts'
import { findCredentials } from './aws-password.ts'

/** A stream that a program prints to. */
export interface Output {
  write(text: string): unknown
}

/** The environment of a command. Commands do not access `process`, so tests can run them in the process of the test. */
export interface Io {
  readonly stdin: Readable
  readonly stdout: Output
  readonly stderr: Output
  /** Whether `stdin` is a terminal. */
  readonly isTTY: boolean
  /** Width of the terminal. Absent if the output is not a terminal. */
  readonly columns?: number | undefined
  /** The same of `stderr`. */
  readonly errorColumns?: number | undefined
  /** Standard output for bytes. */
  readonly output?: Writable
  /** Calls the listener once when the user presses Ctrl-C or the process is to end. @returns what removes the listener */
  readonly onInterrupt?: (listener: () => void) => () => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Folder that relative paths start from. */
  readonly cwd: string
  /** Folder that holds `.docker` unless `DOCKER_CONFIG` names another. */
  readonly home: string
  /** @throws {CliError} if there are no AWS credentials */
  readonly awsCredentials: () => Promise<{ credentials: Credentials; region: string }>
  /** Hashes the passwords that are set in a data folder or a table. Tests use one with a low cost. */
  readonly passwords: Passwords
  /** Hands the process over to the server. @returns the exit code, once the server runs or has printed its help */
  readonly serve: (args: readonly string[]) => Promise<number>
}

/** Columns of a terminal that does not report its width. */
const DEFAULT_COLUMNS = 80

/** The environment of this process. */
export function processIo(): Io {
  const { stdin, stdout, stderr, env } = process
  // `longshore user list | head` closes the pipe early. That is not an error.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  return {
    stdin,
    stdout,
    stderr,
    isTTY: stdin.isTTY === true,
    columns: stdout.columns,
    errorColumns: stderr.isTTY ? stderr.columns || DEFAULT_COLUMNS : undefined,
    output: stdout,
    onInterrupt,
    env,
    cwd: process.cwd(),
    home: homedir(),
    awsCredentials: findCredentials,
    passwords: new Passwords(),
    serve,
  }
}

/** The next signal ends the process, as without a listener. */
function onInterrupt(listener: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const remove = () => {
    for (const signal of signals) process.off(signal, interrupted)
  }
  const interrupted = () => {
    remove()
    listener()
  }
  for (const signal of signals) process.on(signal, interrupted)
  return remove
}

/** The server is a program of its own: it reads the command line, handles signals and ends the process. */
async function serve(args: readonly string[]): Promise<number> {
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...args)
  await import(new URL('../server/start.js', import.meta.url).href)
  return Number(process.exitCode ?? 0)
}
