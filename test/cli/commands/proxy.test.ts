import { describe, expect, it } from 'vitest'
import { byteSize, listenAddress } from '../../../cli/arguments.ts'
import { longshore } from '../../support/cli.ts'
import { MemoryServer } from '../../support/memory-server.ts'
import { TempDir } from '../../support/temp-dir.ts'

describe('proxy', () => {
  it('serves until Ctrl-C', async () => {
    await using server = await MemoryServer.start()
    using scratch = new TempDir()
    let interrupt = () => {}
    const onInterrupt = (listener: () => void) => {
      interrupt = listener
      return () => {}
    }
    server.intercept = () => {
      setImmediate(interrupt)
      return undefined
    }
    const running = longshore(`proxy http://${server.host} --listen 127.0.0.1:0`, {
      onInterrupt,
      env: { TMPDIR: scratch.path },
      onOutput: text => {
        const [url] = text.split(' ')
        void fetch(`${url}/v2/`).catch(() => {})
      },
    })
    const { code, stdout } = await running
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^http://127.0.0.1:\\d+ forwards to http://${server.host}\n$`))
  })

  it.each(['0.0.0.0:5555', '[::]:5555', '192.0.2.1:5555', 'registry.example:5555'])(
    'refuses to listen on %s without --auth',
    async address => {
      const { code, stderr } = await longshore(`proxy registry.example --listen ${address}`)
      expect(code).toBe(2)
      expect(stderr).toContain('--auth <user> is required to listen on')
    },
  )

  it('needs the password of --auth', async () => {
    const { code, stderr } = await longshore('proxy registry.example --auth ci')
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'longshore: a password is required with --auth: set LONGSHORE_PROXY_PASSWORD\n',
    })
  })

  it('names the address that is in use', async () => {
    await using server = await MemoryServer.start()
    const { code, stderr } = await longshore(`proxy registry.example --listen ${server.host}`)
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `longshore: cannot listen on ${server.host}: the port is in use: choose another one with --listen\n`,
    })
  })
})

describe('byteSize', () => {
  it.each([
    ['1', 1],
    ['500MB', 500e6],
    ['1.5 GB', 1.5e9],
    ['2GiB', 2 ** 31],
    ['1kb', 1000],
  ])('reads %s', (text, bytes) => {
    expect(byteSize(text)).toBe(bytes)
  })

  it.each(['', '-1', '1 XB', 'GB', '1e9'])('refuses %j', text => {
    expect(() => byteSize(text)).toThrow('It must be a size such as 500MB or 20GB.')
  })
})

describe('listenAddress', () => {
  it.each([
    ['5555', '127.0.0.1', 5555],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['localhost:0', 'localhost', 0],
    ['[::1]:5555', '::1', 5555],
  ])('reads %s', (text, host, port) => {
    expect(listenAddress(text)).toEqual({ host, port })
  })

  it.each(['', ':', '127.0.0.1', '::1:5555', 'a:99999', 'a:b'])('refuses %j', text => {
    expect(() => listenAddress(text)).toThrow('It must be an address and a port such as 127.0.0.1:5555.')
  })
})
