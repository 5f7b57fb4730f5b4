import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A registry in a process of its own, on an empty folder. */
export interface Server {
  readonly name: string
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

type Start = (folder: string) => Promise<Server>

export const startLongshore: Start = async folder => {
  const port = await freePort()
  const program = new URL('../server/start.js', import.meta.url).pathname
  const args = [program, '--port', String(port), '--data', folder, '--log', 'json']
  return whenReady('longshore', port, spawn(process.execPath, args, { stdio: 'ignore' }))
}

/** Debian's package docker-registry with its file system driver and without an access log. */
export const startDockerRegistry: Start = async folder => {
  const port = await freePort()
  const config = join(folder, 'config.yml')
  writeFileSync(
    config,
    `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: ${join(folder, 'data')} } }
http: { addr: 127.0.0.1:${port} }
`,
  )
  return whenReady('docker-registry', port, spawn('docker-registry', ['serve', config], { stdio: 'ignore' }))
}

export function hasProgram(name: string): boolean {
  try {
    execFileSync('which', [name], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** User and system time of a process, in seconds. Linux counts in hundredths of a second. */
export function cpuSeconds({ pid }: Server): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Peak memory of a process, in bytes. */
export function peakMemory({ pid }: Server): number {
  const [, kibibytes] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kibibytes) * 1024
}

async function whenReady(name: string, port: number, child: ChildProcess): Promise<Server> {
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
    const up = await fetch(`${url}/v2/`).then(
      response => response.ok,
      () => false,
    )
    if (up) return { name, url, pid: child.pid ?? 0, stop: () => stop(child) }
    await delay(100)
  }
  child.kill('SIGKILL')
  throw new Error(`${name} does not respond on ${url}`)
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof address === 'object' && address ? address.port : 0
}
