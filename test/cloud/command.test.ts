import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { eventually } from '../support/command.ts'
import { TempDir } from '../support/temp-dir.ts'
import { describeInCloud } from './requirements.ts'

describeInCloud({ linux: true }, 'npm run cloud', () => {
  let scratch: TempDir
  let command: ReturnType<typeof start>
  beforeEach(() => {
    scratch = new TempDir()
  })
  afterEach(() => {
    if (living().length > 0) process.kill(-command.pid, 'SIGKILL')
    scratch.remove()
  })

  /** In a process group of its own, as a shell does it. */
  function start(...args: string[]) {
    const child = spawn('npm', ['run', '--silent', 'cloud', '--', ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: scratch.path },
    })
    const started = { pid: child.pid ?? -1, printed: '', ended: once(child, 'close') }
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        started.printed += text
      })
    return started
  }
  /** Names of the processes of the command that live. One that nobody has buried yet has ended all the same. */
  function living(): string[] {
    const told = readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(pid => {
        try {
          return readFileSync(`/proc/${pid}/stat`, 'utf8')
        } catch {
          return '' // it has just gone
        }
      })
    const all = told.map(line => /\((.*)\) (\w) \d+ (\d+) /.exec(line))
    return all.flatMap(found =>
      found && found[2] !== 'Z' && Number(found[3]) === command.pid ? [found[1] ?? ''] : [],
    )
  }
  const leftFiles = () => readdirSync(scratch.path).filter(name => name.startsWith('longshore'))
  const printed = (pattern: RegExp) =>
    eventually(
      () => pattern.exec(command.printed)?.[1],
      () => command.printed,
    )

  it('says where the registry is, and on Ctrl-C what went which way, and leaves nothing', async () => {
    command = start('--port', '0', '--pull', 'edge', '--relay', '--log')
    const host = await printed(/docker push (127\.0\.0\.1:\d+)\//)
    const { status } = await fetch(`http://${host}/v2/`)
    await printed(/(200 GET \/v2\/ → api)/)
    process.kill(-command.pid, 'SIGINT')
    await command.ended

    expect(status).toBe(200)
    expect(command.printed).toMatch(/^api +1 /m)
    await expect.poll(living).toEqual([])
    expect(leftFiles()).toEqual([])
  })

  it('can be ended while it starts', async () => {
    command = start('--port', '0')
    await expect.poll(living, { timeout: 20_000 }).toEqual(expect.arrayContaining(['java', 'versitygw']))
    process.kill(-command.pid, 'SIGINT')
    await command.ended

    await expect.poll(living).toEqual([])
    expect(leftFiles()).toEqual([])
  })

  it('ends what it has started when its port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    command = start('--port', String(port))
    const [code] = await command.ended
    taken.close()

    expect([code, command.printed]).toEqual([1, expect.stringContaining('EADDRINUSE')])
    await expect.poll(living).toEqual([])
    expect(leftFiles()).toEqual([])
  })

  it.each([['--pull', 'here'], ['--port', 'x'], ['--event-copies', '-1'], ['--unknown']])(
    'explains itself for %s',
    async (...args) => {
      command = start(...args)
      const [code] = await command.ended

      expect([code, command.printed]).toEqual([2, expect.stringContaining('npm run cloud')])
    },
  )
})
