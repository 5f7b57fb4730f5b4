import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { digest, imageOf } from '../support/content.ts'
import { type Failure, interruptedTable, interruptions } from '../support/interruptions.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { openFiles, tellsOpenFiles } from '../support/open-files.ts'
import { GRACE, openRegistry, type TestRegistry } from '../support/registry.ts'
import { TempDir } from '../support/temp-dir.ts'

vi.mock('node:fs/promises', async importOriginal => {
  const { interruptedFiles } = await import('../support/interruptions.ts')
  return interruptedFiles(await importOriginal())
})

const [FIRST, SECOND] = ['the first layer', 'the second layer, which comes in chunks']
const SMALL = imageOf([FIRST])
const LARGE = imageOf([FIRST, SECOND], { annotations: { fill: 'x'.repeat(400_000) } })

/** What clients were told is stored: path to content. */
type Acknowledged = Map<string, string>

/** One request of the scenario, or a run of the collector. */
type Act = (process: Process) => Promise<unknown>

/** One life of a registry on a folder and a table, from its start to its end or the step at which it is killed. */
class Process {
  readonly registry: TestRegistry
  readonly acknowledged: Acknowledged

  private constructor(registry: TestRegistry, acknowledged: Acknowledged) {
    this.registry = registry
    this.acknowledged = acknowledged
  }

  static async start(world: World, failure?: { at: number; how: Failure }): Promise<Process> {
    interruptions.start()
    const store = await FileBlobs.open(world.folder)
    interruptions.start(failure)
    const registry = openRegistry({ table: interruptedTable(world.table), store })
    registry.wait(world.elapsed)
    return new Process(registry, world.acknowledged)
  }

  async request(
    method: string,
    target: string,
    body: string | Uint8Array = '',
    type?: string,
  ): Promise<string> {
    const headers = type ? { 'content-type': type } : {}
    const { status, headers: answer } = await this.registry.request(method, target, { body, headers })
    if (status >= 300) throw new Refused(`${method} ${target}: ${status}`)
    return answer.location ?? ''
  }

  async storeBlob(repository: string, content: string, upload: () => Promise<unknown>): Promise<void> {
    await upload()
    this.acknowledged.set(`/v2/${repository}/blobs/${digest(content)}`, content)
  }

  async storeManifest(repository: string, tag: string, document: string): Promise<void> {
    await this.request('PUT', `/v2/${repository}/manifests/${tag}`, document, JSON.parse(document).mediaType)
    this.acknowledged.set(`/v2/${repository}/manifests/${tag}`, document)
  }

  async delete(target: string, ...names: string[]): Promise<void> {
    for (const name of names) this.acknowledged.delete(name)
    const { status } = await this.registry.request('DELETE', target)
    // 404: an earlier attempt has done it.
    if (status !== 202 && status !== 404) throw new Refused(`DELETE ${target}: ${status}`)
  }

  async collect(world: World): Promise<void> {
    world.acknowledged.clear() // unreferenced blobs go now
    world.elapsed += 2 * GRACE
    this.registry.wait(2 * GRACE)
    const { failures } = await this.registry.collector.run()
    if (failures.length > 0) throw new Refused(`the collector failed: ${failures[0]}`)
  }
}

/** A request or a collector run that was not done. A client asks again. */
class Refused extends Error {
  override readonly name = 'Refused'
}

/** What outlives a process. */
interface World {
  readonly folder: string
  readonly table: MemoryTable
  readonly acknowledged: Acknowledged
  /** Milliseconds since the first process started. */
  elapsed: number
}

const UPLOADS = '/v2/a/blobs/uploads/'

/** Each operation that changes what is stored, in an order in which a registry meets them. */
function scenario(world: World): readonly Act[] {
  const whole =
    (repository: string, content: string): Act =>
    process =>
      process.storeBlob(repository, content, () =>
        process.request('POST', `/v2/${repository}/blobs/uploads/?digest=${digest(content)}`, content),
      )
  return [
    whole('a', '{}'),
    process =>
      process.storeBlob('a', FIRST, async () => {
        const session = await process.request('POST', UPLOADS)
        await process.request('PUT', `${session}?digest=${digest(FIRST)}`, FIRST)
      }),
    process =>
      process.storeBlob('a', SECOND, async () => {
        const session = await process.request('POST', UPLOADS)
        await process.request('PATCH', session, SECOND.slice(0, 9))
        await process.request('PATCH', session, SECOND.slice(9, 20))
        await process.request('PUT', `${session}?digest=${digest(SECOND)}`, SECOND.slice(20))
      }),
    async process => {
      const session = await process.request('POST', UPLOADS)
      await process.request('PATCH', session, 'never to be finished')
    },
    async process => {
      const session = await process.request('POST', UPLOADS)
      await process.request('PATCH', session, 'cancelled')
      await process.request('DELETE', session)
    },
    process =>
      process.storeBlob('b', FIRST, () =>
        process.request('POST', `/v2/b/blobs/uploads/?mount=${digest(FIRST)}&from=a`),
      ),
    whole('a', FIRST),
    whole('b', SECOND),
    process => process.storeManifest('a', 'small', SMALL),
    process => process.storeManifest('a', 'large', LARGE),
    process => process.storeManifest('a', 'again', LARGE),
    process => process.delete('/v2/a/manifests/small', '/v2/a/manifests/small'),
    process => process.collect(world),
    process => process.delete(`/v2/a/manifests/${digest(SMALL)}`),
    process =>
      process.delete(`/v2/a/manifests/${digest(LARGE)}`, '/v2/a/manifests/large', '/v2/a/manifests/again'),
    process => process.delete(`/v2/b/blobs/${digest(FIRST)}`, `/v2/b/blobs/${digest(FIRST)}`),
    process => process.collect(world),
    process => process.collect(world),
    process => process.collect(world),
  ]
}

const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => entry.name)

/** Files that no row names: nothing would ever delete them. */
const orphans = ({ folder, table }: World) => {
  const rows = JSON.stringify(table.all(), (name, value) => (name === 'bytes' ? undefined : value))
  return filesIn(folder).filter(file => !rows.includes(file))
}

/** Goes through the scenario until it is killed. What was refused is asked for again, as clients do. */
async function play(process: Process, acts: readonly Act[]): Promise<void> {
  for (const act of acts) {
    for (let attempt = 1; !interruptions.isDead; attempt++) {
      try {
        await act(process)
        break
      } catch (error) {
        if (interruptions.isDead) return
        if (!(error instanceof Refused) || attempt > 2) throw error
      }
    }
  }
}

const MEMORY_DISK = '/dev/shm'

/** `npm test` takes every sixth step of each kind, another one for each; `npm run test:random` takes all. */
function isSkipped(how: Failure, at: number): boolean {
  return process.env.FC_RUNS === undefined && at % 6 !== { kill: 0, EIO: 2, ENOSPC: 4 }[how]
}

describe.each(['kill', 'EIO', 'ENOSPC'] as const)('a registry interrupted at every step (%s)', how => {
  let scratch: TempDir
  let world: World
  beforeEach(() => {
    vi.stubEnv('TMPDIR', existsSync(MEMORY_DISK) ? MEMORY_DISK : tmpdir())
    scratch = new TempDir()
  })
  afterEach(() => {
    scratch.remove()
    vi.unstubAllEnvs()
  })

  it('loses nothing that it acknowledged, leaves no file behind, and can do it all again', {
    timeout: 600_000,
  }, async () => {
    let at = 0
    for (; ; at++) {
      if (isSkipped(how, at)) continue
      world = {
        folder: scratch.folder(`${at}`),
        table: new MemoryTable(),
        acknowledged: new Map(),
        elapsed: 0,
      }
      await play(await Process.start(world, { at, how }), scenario(world))
      const step = `step ${at}, ${interruptions.interrupted}`
      const wasReached = interruptions.steps > at
      expect(orphans(world), `orphans after ${step}`).toEqual([])
      if (tellsOpenFiles) expect(openFiles(world.folder), `open files after ${step}`).toEqual([])

      const next = await Process.start(world)
      for (const [path, content] of world.acknowledged)
        expect((await next.registry.get(path)).text, `${path} after ${step}`).toBe(content)
      await play(next, scenario(world))
      await next.collect(world)

      expect(filesIn(world.folder), `files after ${step}`).toEqual([])
      expect(orphans(world)).toEqual([])
      if (!wasReached) break
    }

    expect(at).toBeGreaterThan(100)
  })
})
