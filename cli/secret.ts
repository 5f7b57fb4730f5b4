import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Failure } from './failure.ts'

/** A password from standard input: what is typed is not shown, and of what is piped in the first line counts. @throws {Failure} for none */
export async function readSecret(): Promise<string> {
  const secret = process.stdin.isTTY ? await ask() : (await text(process.stdin)).split('\n', 1)[0]
  if (!secret) throw new Failure('no password came on standard input', 2)
  return secret
}

async function ask(): Promise<string> {
  const nowhere = new Writable({ write: (_, __, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true })
  terminal.on('SIGINT', () => process.exit(130))
  process.stderr.write('Password: ')
  try {
    return await terminal.question('')
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
