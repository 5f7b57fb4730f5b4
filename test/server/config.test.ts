import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDuration } from '../../lambda/util/duration.ts'
import { type Config, readCommand } from '../../server/config.ts'
import { literally } from './support.ts'

function read(args: string[], env: Record<string, string> = {}): Config {
  const command = readCommand(args, env)
  if ('print' in command) throw new Error('the command line does not start the server')
  return command.serve
}

describe('settings', () => {
  it('have defaults', () => {
    expect(read([])).toEqual({
      port: 5000,
      host: '127.0.0.1',
      auth: 'auto',
      data: resolve('data'),
      log: 'auto',
      grace: 86_400_000,
      shutdown: 10_000,
    })
  })

  it('come from flags', () => {
    const args = [
      '--port=0',
      '--host',
      '::1',
      '--data',
      '/x',
      '--origin',
      'https://R.example.com/',
      '--log',
      'json',
    ]
    expect(
      read([...args, '--grace', '30m', '--tls-cert', 'c', '--tls-key', 'k', '--shutdown', '1.5s']),
    ).toEqual({
      port: 0,
      host: '::1',
      auth: 'auto',
      data: '/x',
      origin: 'https://r.example.com',
      tlsCert: 'c',
      tlsKey: 'k',
      log: 'json',
      grace: 1_800_000,
      shutdown: 1_500,
    })
  })

  it('accept patterns of sparse repositories and reject other texts', () => {
    expect(read(['--sparse', 'mirror/**,cache/*']).sparse).toEqual(['mirror/**', 'cache/*'])
    for (const text of ['Mirror', 'a,', 'a b'])
      expect(() => read(['--sparse', text])).toThrow('must be repository patterns separated by commas')
  })

  it('come from the environment', () => {
    expect(read([], { LONGSHORE_PORT: '1', LONGSHORE_TLS_CERT: 'c', LONGSHORE_TLS_KEY: 'k' })).toMatchObject({
      port: 1,
      tlsCert: 'c',
      tlsKey: 'k',
    })
  })

  it('prefer the flag', () => {
    expect(read(['--port', '2'], { LONGSHORE_PORT: '1' }).port).toBe(2)
  })

  it('ignore an empty variable', () => {
    expect(read([], { LONGSHORE_PORT: '' }).port).toBe(5000)
  })
})

describe('an invalid setting', () => {
  it.each([
    [['--port', 'abc'], {}, '--port: "abc" must be a port number from 0 to 65535'],
    [['--port', '65536'], {}, '--port: "65536" must be a port number from 0 to 65535'],
    [[], { LONGSHORE_PORT: '-1' }, 'LONGSHORE_PORT: "-1" must be a port number from 0 to 65535'],
    [['--host', ''], {}, '--host: "" must not be empty'],
    [['--origin', 'registry.example.com'], {}, '--origin: "registry.example.com" must be an origin'],
    [['--origin', 'https://a/b'], {}, '--origin: "https://a/b" must be an origin'],
    [['--origin', 'https://a:x'], {}, '--origin: "https://a:x" must be an origin'],
    [['--log', 'xml'], {}, '--log: "xml" must be auto, json or text'],
    [['--grace', '1 day'], {}, '--grace: "1 day" must be a duration'],
    [['--tls-cert', 'c'], {}, 'TLS needs both'],
    [[], { LONGSHORE_TLS_KEY: 'k' }, 'TLS needs both'],
    [['--aws-accounts', '123456789012'], {}, '--aws-accounts and --issuers need --origin'],
    [['--issuers', 'issuers.json'], {}, '--aws-accounts and --issuers need --origin'],
    [['--aws-accounts', '1234'], {}, '--aws-accounts: "1234" must be 12-digit account ids'],
    [['--trusted-proxies', '10.0.0.0/33'], {}, '--trusted-proxies: "10.0.0.0/33" must be addresses or CIDRs'],
    [['--prot', '1'], {}, "Unknown option '--prot' (--help"],
    [['--port'], {}, "Option '--port <value>' argument missing (--help"],
    [['5000'], {}, "Unexpected argument '5000'"],
  ])('%j %j is reported in one line', (args, env, message) => {
    expect(() => readCommand(args, env)).toThrow(
      expect.objectContaining({
        name: 'StartError',
        exitCode: 64,
        message: expect.stringMatching(new RegExp(`^${literally(message)}[^\\n]*$`)),
      }),
    )
  })
})

describe('--help', () => {
  it('lists every setting with its flag, its variable and its default', () => {
    const command = readCommand(['--help', '--port', 'nonsense'], {})
    const text = 'print' in command ? command.print : ''
    expect(text).toMatch(/--port <number> +LONGSHORE_PORT +.*\(5000\)/)
    expect(text).toMatch(/--tls-cert <file> +LONGSHORE_TLS_CERT /)
  })

  it('fits a wide terminal', () => {
    const command = readCommand(['-h'], {})
    const lines = 'print' in command ? command.print.split('\n') : []
    expect(Math.max(...lines.map(line => line.trimEnd().length))).toBeLessThanOrEqual(120)
  })
})

it('--new-table is a flag without a value, and off by default', () => {
  expect(readCommand(['--new-table'], {})).toMatchObject({ serve: { newTable: true } })
  expect(readCommand([], { LONGSHORE_NEW_TABLE: 'true' })).not.toHaveProperty('serve.newTable')
})

it('--version is that of the package', () => {
  expect(readCommand(['--version'], {})).toEqual({ print: expect.stringMatching(/^\d+\.\d+\.\d+/) })
})

describe('a duration', () => {
  it('is a number and a unit', () => {
    const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
    fc.assert(
      fc.property(fc.nat(3_650), fc.constantFrom(...Object.entries(units)), (amount, [unit, ms]) => {
        expect(parseDuration(`${amount}${unit}`)).toBe(amount * ms)
      }),
    )
  })

  it.each(['', '1', 's', '-1s', '1 s', '1e3s', '.5s', '1s ', '1w', '99999d'])('is not %j', text => {
    expect(parseDuration(text)).toBeUndefined()
  })
})
