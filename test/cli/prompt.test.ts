import { PassThrough, Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CliError } from '../../cli/cli-error.ts'
import { readNewSecret, readSecret } from '../../cli/prompt.ts'

/** Standard input that delivers a text in pieces of any size. */
function piped(text: string | Uint8Array, size = 3) {
  const bytes = Buffer.from(text)
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  )
  return { stdin: Readable.from(chunks), stderr: { write: () => true }, isTTY: false }
}

/** A person who types a line at each prompt. */
function terminal(...typed: string[]) {
  const stdin = new PassThrough()
  const prompts: string[] = []
  const write = (text: string) => {
    prompts.push(text)
    if (text.endsWith(': ')) setImmediate(() => stdin.write(typed.shift() ?? '\u0004'))
  }
  return { io: { stdin, stderr: { write }, isTTY: true }, prompts }
}

const secrets = fc.string({ minLength: 1, unit: 'binary' }).filter(text => !/[\r\n\uFEFF]/.test(text))

describe('a piped secret', () => {
  it('is the first line, whatever ends it', async () => {
    await fc.assert(
      fc.asyncProperty(
        secrets,
        fc.constantFrom('', '\n', '\r\n', '\nmore\n', '\r\nmore\r\n'),
        fc.integer({ min: 1, max: 9 }),
        async (secret, end, size) => {
          expect(await readSecret(piped(secret + end, size))).toBe(secret)
        },
      ),
    )
  })

  it('may begin with a byte order mark', async () => {
    expect(await readSecret(piped('\uFEFFcorrect horse\r\n'))).toBe('correct horse')
  })

  it('may be UTF-16, as Windows PowerShell writes files', async () => {
    expect(await readSecret(piped(Buffer.from('\uFEFFcorrect Ċ horse\r\n', 'utf16le')))).toBe(
      'correct Ċ horse',
    )
  })

  it('keeps its other white space', async () => {
    expect(await readSecret(piped(' correct\rhorse \n'))).toBe(' correct\rhorse ')
  })

  it('is read without waiting for the end of the input', async () => {
    const stdin = new PassThrough()
    stdin.write('correct horse\n')
    expect(await readSecret({ ...piped(''), stdin })).toBe('correct horse')
  })

  it.each(['', '\n', '\r\n'])('is missing in the input %j', async text => {
    await expect(readSecret(piped(text))).rejects.toThrow('a password is required')
  })

  it('has a maximum length', async () => {
    await expect(readSecret(piped('x'.repeat(2 ** 20 + 1), 2 ** 16))).rejects.toThrow('at most 1048576 bytes')
  })
})

describe('a typed secret', () => {
  it('is prompted for once at a login', async () => {
    const { io, prompts } = terminal('correct horse\r')
    expect(await readSecret(io)).toBe('correct horse')
    expect(prompts.join('')).toBe('Password: \n')
  })

  it('is prompted for twice if it is new', async () => {
    const { io, prompts } = terminal('correct horse\r', 'correct horse\r')
    expect(await readNewSecret(io)).toBe('correct horse')
    expect(prompts.join('')).toBe('New password: \nRepeat the password: \n')
  })

  it('is prompted for again if the two differ', async () => {
    const { io, prompts } = terminal('correct horse\r', 'corect horse\r', 'battery\r', 'battery\r')
    expect(await readNewSecret(io)).toBe('battery')
    expect(prompts.join('')).toContain('The passwords are different.')
  })

  it('is rejected after three attempts', async () => {
    const { io } = terminal('a\r', 'b\r', 'a\r', 'b\r', 'a\r', 'b\r')
    await expect(readNewSecret(io)).rejects.toEqual(
      new CliError('the passwords are different; nothing was changed', 2),
    )
  })

  it('is missing if the input ends', async () => {
    await expect(readSecret(terminal('\u0004').io)).rejects.toThrow('a password is required')
  })

  it('can be interrupted', async () => {
    await expect(readSecret(terminal('\u0003').io)).rejects.toMatchObject({ exitCode: 130 })
  })
})
