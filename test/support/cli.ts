import { PassThrough, Readable } from 'node:stream'
import { expect } from 'vitest'
import { CliError } from '../../cli/cli-error.ts'
import type { Io } from '../../cli/io.ts'
import { run } from '../../cli/main.ts'
import type { CommandResult } from './command.ts'
import { cheapPasswords } from './passwords.ts'

export interface CliOptions
  extends Partial<
    Pick<Io, 'env' | 'cwd' | 'home' | 'awsCredentials' | 'serve' | 'onInterrupt' | 'output' | 'errorColumns'>
  > {
  /** Standard input, where it is not a terminal. */
  readonly input?: string | Uint8Array
  /** What a person types at a terminal, in order. Each entry is typed when a prompt appears. */
  readonly typed?: readonly string[]
  /** Hears what the command prints on standard output. */
  readonly onOutput?: (text: string) => void
}

type Program = (argv: readonly string[], io: Io) => Promise<number>

/** Runs a command in this process. Passwords are hashed at a low cost. */
export async function runInProcess(
  program: Program,
  argv: readonly string[],
  { input = '', typed, onOutput, ...options }: CliOptions = {},
): Promise<CommandResult> {
  const printed = { stdout: '', stderr: '' }
  const keyboard = new PassThrough()
  const pending = [...(typed ?? [])]
  const code = await program(argv, {
    stdin: typed ? keyboard : Readable.from([Buffer.from(input)]),
    stdout: {
      write: text => {
        printed.stdout += text
        onOutput?.(text)
      },
    },
    stderr: {
      write: text => {
        printed.stderr += text
        if (text.endsWith(': ')) setImmediate(() => keyboard.write(pending.shift() ?? '\u0004'))
      },
    },
    isTTY: typed !== undefined,
    env: {},
    cwd: '/nowhere',
    home: '/nowhere',
    passwords: cheapPasswords,
    awsCredentials: () => Promise.reject(new CliError('there are no AWS credentials')),
    serve: () => Promise.reject(new Error('no server was expected')),
    ...options,
  })
  return { code, ...printed }
}

/** @param words separated by single spaces */
export function longshore(words: string, options?: CliOptions): Promise<CommandResult> {
  return runInProcess(run, words === '' ? [] : words.split(' '), options)
}

/** Runs a command that must succeed without a warning. @returns what it printed */
export async function succeed(words: string, options?: CliOptions): Promise<string> {
  const { code, stdout, stderr } = await longshore(words, options)
  expect({ code, stderr }, words).toEqual({ code: 0, stderr: '' })
  return stdout
}
