import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { digest, imageOf } from '../support/content.ts'
import { type Failure, interruptedTable, interruptions } from '../support/interruptions.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { canListOpenFiles, openFiles } from '../support/open-files.ts'
import { GRACE_PERIOD, openRegistry, type TestRegistry } from '../support/registry.ts'
import { TempDir } from '../support/temp-dir.ts'

vi.mock('node:fs/promises', async importOriginal => {
  const { interruptedFiles } = await import('../support/interruptions.ts')
  return interruptedFiles(await importOriginal())
})

const [FIRST, SECOND] = ['the first layer', 'the second layer, pushed in chunks']
const SMALL = imageOf([FIRST])
const LARGE = imageOf([FIRST, SECOND], { annotations: { fill: 'x'.repeat(400_000) } })

/** The content that was acknowledged to clients, by path. */
type Acknowledged = Map<string, string>

/** An operation of the scenario: requests of a client, or a run of the collector. */
type Operation = (process: Process) => Promise<unknown>

/** A registry process on a folder and a table, from its start to its end or to the step at which it is killed. */
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
    const response = await this.registry.request(method, target, { body, headers })
    if (response.status >= 300) throw new OperationFailed(`${method} ${target}: ${response.status}`)
    return response.headers.location ?? ''
  }

  async storeBlob(repository: string, content: string, upload: () => Promise<unknown>): Promise<void> {
    await upload()
    this.acknowledged.set(`/v2/${repository}/blobs/${digest(content)}`, content)
  }

  async storeManifest(repository: string, tag: string, document: string): Promise<void> {
    await this.request('PUT', `/v2/${repository}/manifests/${tag}`, document, JSON.parse(document).mediaType)
    this.acknowledged.set(`/v2/${repository}/manifests/${tag}`, document)
  }

  async delete(target: string, ...paths: string[]): Promise<void> {
    for (const path of paths) this.acknowledged.delete(path)
    const { status } = await this.registry.request('DELETE', target)
    // 404: an earlier attempt has deleted it.
    if (status !== 202 && status !== 404) throw new OperationFailed(`DELETE ${target}: ${status}`)
  }

  async collect(world: World): Promise<void> {
    world.acknowledged.clear() // unreferenced blobs are now collected
    world.elapsed += 2 * GRACE_PERIOD
    this.registry.wait(2 * GRACE_PERIOD)
    const { failures } = await this.registry.collector.run()
    if (failures.length > 0) throw new OperationFailed(`the collector failed: ${failures[0]}`)
  }
}

/** An operation that failed in a living process. Clients retry it. */
class OperationFailed extends Error {
  override readonly name = 'OperationFailed'
}

/** The state that outlives a process. */
interface World {
  readonly folder: string
  readonly table: MemoryTable
  readonly acknowledged: Acknowledged
  /** Milliseconds since the first process started. */
  elapsed: number
}

const UPLOADS = '/v2/a/blobs/uploads/'

/** Every operation that changes stored data, in a typical order. */
function scenario(world: World): readonly Operation[] {
  const monolithic =
    (repository: string, content: string): Operation =>
    process =>
      process.storeBlob(repository, content, () =>
        process.request('POST', `/v2/${repository}/blobs/uploads/?digest=${digest(content)}`, content),
      )
  return [
    monolithic('a', '{}'),
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
      await process.request('PATCH', session, 'never finished')
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
    monolithic('a', FIRST),
    monolithic('b', SECOND),
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

/** Files that no row names. They would never be deleted. */
const orphans = ({ folder, table }: World) => {
  const rows = JSON.stringify(table.all(), (name, value) => (name === 'bytes' ? undefined : value))
  return filesIn(folder).filter(file => !rows.includes(file))
}

/** Runs the operations until the process is killed. Failed operations are retried, as clients do. */
async function run(process: Process, operations: readonly Operation[]): Promise<void> {
  for (const operation of operations) {
    for (let attempt = 1; !interruptions.isDead; attempt++) {
      try {
        await operation(process)
        break
      } catch (error) {
        if (interruptions.isDead) return
        if (!(error instanceof OperationFailed) || attempt > 2) throw error
      }
    }
  }
}

/** A file system in memory, on Linux. */
const MEMORY_DISK = '/dev/shm'

/**
 * `npm test` interrupts every sixth step, with a different offset for each failure. `npm run test:random` interrupts
 * all steps.
 */
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

  it('keeps acknowledged content, leaves no orphaned file, and can repeat every operation', {
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
      await run(await Process.start(world, { at, how }), scenario(world))
      const step = `step ${at}, ${interruptions.interrupted}`
      const wasReached = interruptions.steps > at
      expect(orphans(world), `orphans after ${step}`).toEqual([])
      if (canListOpenFiles) expect(openFiles(world.folder), `open files after ${step}`).toEqual([])

      const next = await Process.start(world)
      for (const [path, content] of world.acknowledged)
        expect((await next.registry.get(path)).text, `${path} after ${step}`).toBe(content)
      await run(next, scenario(world))
      await next.collect(world)

      expect(filesIn(world.folder), `files after ${step}`).toEqual([])
      expect(orphans(world)).toEqual([])
      if (!wasReached) break
    }

    expect(at).toBeGreaterThan(100)
  })
})
