import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CliError } from './cli-error.ts'
import type { Io } from './io.ts'
import { decodeText } from './text-file.ts'

type PromptIo = Pick<Io, 'stdin' | 'stderr' | 'isTTY'>

/** Longer than any password or ID token. It limits how much of an input without line ends is read. */
const MAX_SECRET_BYTES = 1024 * 1024
const MAX_ATTEMPTS = 3

/**
 * Reads a secret from standard input: without echo from a terminal, otherwise the first line.
 * @throws {CliError} if there is none
 */
export async function readSecret(io: PromptIo): Promise<string> {
  if (!io.isTTY) return required(await readFirstLine(io.stdin))
  return onTerminal(io, async ask => required(await ask('Password: ')))
}

/**
 * Reads a new secret. On a terminal it must be typed twice. If the two differ, the prompts are repeated.
 * @throws {CliError} if there is none, or if the two differ three times
 */
export async function readNewSecret(io: PromptIo): Promise<string> {
  if (!io.isTTY) return readSecret(io)
  return onTerminal(io, async ask => {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const secret = required(await ask('New password: '))
      if ((await ask('Repeat the password: ')) === secret) return secret
      io.stderr.write('The passwords are different.\n')
    }
    throw new CliError('the passwords are different; nothing was changed', 2)
  })
}

function required(secret: string | undefined): string {
  if (secret) return secret
  throw new CliError('a password is required: type it, or send it to standard input', 2)
}

/** Reads the first line, without its line end: `\n`, or `\r\n` in Windows shells. */
async function readFirstLine(stdin: Io['stdin']): Promise<string> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of stdin) {
    bytes = Buffer.concat([bytes, Buffer.from(chunk)])
    if (decodeText(bytes).includes('\n')) break
    if (bytes.length > MAX_SECRET_BYTES)
      throw new CliError(`a password must have at most ${MAX_SECRET_BYTES} bytes`, 2)
  }
  const [line = ''] = decodeText(bytes).split(/\r?\n/, 1)
  return line
}

type Ask = (prompt: string) => Promise<string | undefined>

/**
 * Runs a dialogue on the terminal.
 * @param dialogue its `ask` prints a prompt and reads a line, or undefined at the end of the input
 */
async function onTerminal<T>({ stdin, stderr }: PromptIo, dialogue: (ask: Ask) => Promise<T>): Promise<T> {
  const noEcho = new Writable({ write: (_, __, done) => done() })
  const terminal = createInterface({ input: stdin, output: noEcho, terminal: true })
  const lines = terminal[Symbol.asyncIterator]()
  const interrupted = new Promise<never>((_, reject) => {
    terminal.once('SIGINT', () => reject(new CliError('interrupted', 130)))
  })
  const ask: Ask = async prompt => {
    stderr.write(prompt)
    const { value } = await lines.next()
    stderr.write('\n')
    return value
  }
  try {
    return await Promise.race([dialogue(ask), interrupted])
  } finally {
    terminal.close()
  }
}
