import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventually, run } from '../support/command.ts'
import { send } from '../support/http-client.ts'
import { image } from '../support/images.ts'
import { writeLargeImage } from '../support/large-image.ts'
import { LocalServer } from '../support/local-server.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { randomBatches } from '../support/random-bytes.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

const MiB = 2 ** 20
const SIZE = 3000 * MiB
const LIMIT_MB = 200

describeWith({ linux: true }, 'longshore as a process', () => {
  let scratch: TempDir
  let server: LocalServer
  beforeAll(async () => {
    server = await LocalServer.start()
  })
  afterAll(() => server?.stop())
  beforeEach(() => {
    scratch = new TempDir('longshore-large-')
  })
  afterEach(() => scratch.remove())

  function start(...args: string[]): ChildProcess {
    const env = { ...process.env, TMPDIR: scratch.folder('tmp'), DOCKER_CONFIG: scratch.folder('config') }
    return spawn(process.execPath, ['cli/longshore.js', ...args], { env, stdio: ['pipe', 'ignore', 'pipe'] })
  }
  const temporaryFiles = () => readdirSync(scratch.folder('tmp'))

  test(`pushes 3 GB from standard input below ${LIMIT_MB} MB, and pulls them`, async () => {
    const path = scratch.join('large.tar')
    const { digest, layer } = writeLargeImage(path, '1', 'stdin', SIZE)
    const name = `${server.host}/limits/large:1`

    const push = start('push', '-', name)
    const peak = watchMemory(push)
    const cat = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'ignore'] })
    if (push.stdin) await pipeline(cat.stdout, push.stdin)
    expect(await exitOf(push)).toBe(0)
    expect(peak()).toBeLessThan(LIMIT_MB)

    const pull = start('pull', name, scratch.join('back.tar'), '--format', 'oci')
    const pullPeak = watchMemory(pull)
    expect(await exitOf(pull)).toBe(0)
    expect(pullPeak()).toBeLessThan(LIMIT_MB)
    expect(await run('tar', ['-tf', scratch.join('back.tar')])).toContain(`blobs/${digest.replace(':', '/')}`)
    expect(await new RegistryClient(server.url, 'limits/large').digestOfBlob(layer.digest)).toBe(layer.digest)
    expect(temporaryFiles()).toEqual([])
  }, 900_000)

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('leaves no temporary file after %s', async signal => {
    const push = start('push', '-', `${server.host}/limits/interrupted:1`)
    if (push.stdin) {
      push.stdin.on('error', () => {})
      push.stdin.write([...randomBatches('interrupted', MiB)][0])
    }
    await eventually(
      () => hasOpenFile(push.pid ?? 0, scratch.path) && temporaryFiles().length === 0,
      () => 'no temporary file is open',
    )

    push.kill(signal)

    expect(await exitOf(push)).toBe(signal === 'SIGKILL' ? null : 130)
    expect(temporaryFiles()).toEqual([])
  })

  describeWith({ tools: ['mount', 'umount'], root: true }, 'on a disk that is full', () => {
    let disk: string
    beforeEach(async () => {
      disk = scratch.folder('disk')
      await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk])
    })
    afterEach(() => run('umount', [disk]))

    test('refuses an upload through the proxy with the reason', async () => {
      await using proxy = await ProxyProcess.start(server.url, { env: { TMPDIR: disk } })
      const client = new RegistryClient(`http://${proxy.host}`, 'limits/disk')

      const body = randomBatches('disk', 6 * MiB)
      const { status, bytes } = await send(await client.openUpload(), { method: 'PATCH', body })

      expect(status).toBe(507)
      expect(JSON.parse(String(bytes)).errors[0].message).toContain('no space left on the disk')
      expect(readdirSync(disk)).toEqual([])
    })

    test.each(['out.tar', 'out'])('says so in one sentence, and leaves nothing at %s', async path => {
      const name = `${server.host}/limits/disk:1`
      await new RegistryClient(server.url, 'limits/disk').pushImage(
        image('disk', { layerSize: 6 * MiB }),
        '1',
      )

      const pull = start('pull', name, `${disk}/${path}`)
      const stderr = pull.stderr?.toArray()

      expect(await exitOf(pull)).toBe(1)
      const text = Buffer.concat((await stderr) ?? []).toString()
      expect(text.split('\n').at(-2)).toBe(
        `longshore: cannot write ${disk}/${path}: no space left on the disk`,
      )
      expect(readdirSync(disk)).toEqual([])
    })
  })

  test('proxies a layer of 1 GiB below the limit, and leaves no temporary file when it is killed in one', async () => {
    const proxy = await ProxyProcess.start(server.url)
    const client = new RegistryClient(`http://${proxy.host}`, 'limits/proxy')
    const upload = await client.append(await client.openUpload(), randomBatches('proxy', 1024 * MiB))
    expect(upload).toContain(proxy.host)
    expect(peakMegabytes(proxy.pid)).toBeLessThan(LIMIT_MB)

    await proxy.end('SIGKILL')

    expect(proxy.temporaryFiles).toEqual([])
    await proxy.stop()
  })
})

async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}

/** @returns the most memory that the process has held, in MB */
function watchMemory(child: ChildProcess): () => number {
  let peak = 0
  const timer = setInterval(() => {
    try {
      peak = Math.max(peak, peakMegabytes(child.pid ?? 0) || 0) // a process that has ended has none
    } catch {
      clearInterval(timer)
    }
  }, 50)
  child.once('exit', () => clearInterval(timer))
  return () => peak
}

function peakMegabytes(pid: number): number {
  const kibibytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return (Number(kibibytes) * 1024) / 1e6
}

/** Whether a process has a file open that was in a folder, also one without a name. */
function hasOpenFile(pid: number, folder: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(fd => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(folder))
  } catch {
    return false
  }
}
