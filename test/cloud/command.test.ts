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
    if (runningProcesses().length > 0) process.kill(-command.pid, 'SIGKILL')
    scratch.remove()
  })

  /** Starts the command in its own process group, as a shell does. */
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
  /** Names of the command's running processes. Zombies do not count. */
  function runningProcesses(): string[] {
    const stats = readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(pid => {
        try {
          return readFileSync(`/proc/${pid}/stat`, 'utf8')
        } catch {
          return '' // It has ended in the meantime.
        }
      })
    const all = stats.map(line => /\((.*)\) (\w) \d+ (\d+) /.exec(line))
    return all.flatMap(found =>
      found && found[2] !== 'Z' && Number(found[3]) === command.pid ? [found[1] ?? ''] : [],
    )
  }
  const remainingFiles = () => readdirSync(scratch.path).filter(name => name.startsWith('longshore'))
  const printed = (pattern: RegExp) =>
    eventually(
      () => pattern.exec(command.printed)?.[1],
      () => command.printed,
    )

  it('prints the address at the start and the traffic at Ctrl-C, and leaves no processes or files', async () => {
    command = start('--port', '0', '--pull', 'edge', '--relay', '--log')
    const host = await printed(/docker push (127\.0\.0\.1:\d+)\//)
    const { status } = await fetch(`http://${host}/v2/`)
    await printed(/(200 GET \/v2\/ → api)/)
    process.kill(-command.pid, 'SIGINT')
    await command.ended

    expect(status).toBe(200)
    expect(command.printed).toMatch(/^api +1 /m)
    await expect.poll(runningProcesses).toEqual([])
    expect(remainingFiles()).toEqual([])
  })

  it('can be ended while it starts', async () => {
    command = start('--port', '0')
    await expect
      .poll(runningProcesses, { timeout: 20_000 })
      .toEqual(expect.arrayContaining(['java', 'versitygw']))
    process.kill(-command.pid, 'SIGINT')
    await command.ended

    await expect.poll(runningProcesses).toEqual([])
    expect(remainingFiles()).toEqual([])
  })

  it('ends all its processes when its port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    command = start('--port', String(port))
    const [code] = await command.ended
    taken.close()

    expect([code, command.printed]).toEqual([1, expect.stringContaining('EADDRINUSE')])
    await expect.poll(runningProcesses).toEqual([])
    expect(remainingFiles()).toEqual([])
  })

  it.each([['--pull', 'here'], ['--relay', 'x'], ['--port', 'x'], ['--event-copies', '-1'], ['--unknown']])(
    'prints its usage for %s',
    async (...args) => {
      command = start(...args)
      const [code] = await command.ended

      expect([code, command.printed]).toEqual([2, expect.stringContaining('npm run cloud')])
    },
  )
})
