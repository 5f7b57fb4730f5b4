import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CliError } from './cli-error.ts'
import type { Io } from './io.ts'
import { decodeText } from './text-file.ts'

type PromptIo = Pick<Io, 'stdin' | 'stderr' | 'isTTY'>

/** Far above any password or ID token. It bounds what is read of an input without line ends. */
const MAX_SECRET_BYTES = 1024 * 1024
const MAX_ATTEMPTS = 3

/**
 * Reads a secret from standard input: typed without echo on a terminal, else the first line.
 * @throws {CliError} where there is none
 */
export async function readSecret(io: PromptIo): Promise<string> {
  if (!io.isTTY) return given(await readFirstLine(io.stdin))
  return onTerminal(io, async ask => given(await ask('Password: ')))
}

/**
 * Reads a secret that is about to be set. On a terminal it is typed twice, and again where the two differ.
 * @throws {CliError} where there is none, or the two differ three times
 */
export async function readNewSecret(io: PromptIo): Promise<string> {
  if (!io.isTTY) return readSecret(io)
  return onTerminal(io, async ask => {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const secret = given(await ask('New password: '))
      if ((await ask('Repeat the password: ')) === secret) return secret
      io.stderr.write('The passwords are different.\n')
    }
    throw new CliError('the passwords are different; nothing was changed', 2)
  })
}

function given(secret: string | undefined): string {
  if (secret) return secret
  throw new CliError('a password is required: type it, or send it to standard input', 2)
}

/** Without its line end, `\n` or `\r\n`: Windows shells end lines with both. */
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

type Ask = (question: string) => Promise<string | undefined>

/** @param dialogue asks for lines; it gets undefined once the input has ended */
async function onTerminal<T>({ stdin, stderr }: PromptIo, dialogue: (ask: Ask) => Promise<T>): Promise<T> {
  const noEcho = new Writable({ write: (_, __, done) => done() })
  const terminal = createInterface({ input: stdin, output: noEcho, terminal: true })
  const lines = terminal[Symbol.asyncIterator]()
  const interrupted = new Promise<never>((_, reject) => {
    terminal.once('SIGINT', () => reject(new CliError('interrupted', 130)))
  })
  const ask: Ask = async question => {
    stderr.write(question)
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
