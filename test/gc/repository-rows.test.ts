import { beforeEach, describe, expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import { StorageFull } from '../../lambda/store/blobs.ts'
import { GARBAGE_SHARDS, keys, REPOSITORIES } from '../../lambda/store/keys.ts'
import { ConditionFailed } from '../../lambda/store/table.ts'
import { indexOf } from '../support/content.ts'
import { type Fault, withFault } from '../support/faults.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { openRegistry, type TestRegistry } from '../support/registry.ts'

const HOUR = 60 * 60 * 1000

let table: MemoryTable
let registry: TestRegistry
beforeEach(() => {
  table = new MemoryTable()
  registry = openRegistry({ table })
})

describe('the row of a removed repository', () => {
  const row = () => table.get(keys.repository('app' as RepositoryName))
  const remove = () => registry.expectStatus(200, 'DELETE', '/api/repositories/app')
  const catalog = async () => (await registry.get('/v2/_catalog')).json.repositories
  beforeEach(async () => {
    await registry.pushManifest('app', 'v1', indexOf([]))
    await remove()
  })

  it('is deleted an hour later, so that the catalog no longer reads it', async () => {
    registry.wait(HOUR - 1)
    await registry.collector.run()
    expect(await row()).toBeDefined()

    registry.wait(1)
    await registry.collector.run()
    expect(await row()).toBeUndefined()
    expect((await registry.get('/v2/app/tags/list')).status).toBe(404)
  })

  it('is kept when a manifest was pushed meanwhile', async () => {
    await registry.pushManifest('app', 'v2', indexOf([]))
    registry.wait(HOUR)
    await registry.collector.run()
    expect(await catalog()).toEqual(['app'])
  })

  it('gets a time again when a push that began before the removal left a manifest', async () => {
    await registry.pushManifest('app', 'v2', indexOf([]))
    const update = { set: { updated: 0 } }
    await table.transact({ update: keys.repository('app' as RepositoryName), change: update })
    registry.wait(HOUR)
    await registry.collector.run()
    expect(await row()).toMatchObject({ updated: registry.now() })
    expect(await catalog()).toEqual(['app'])
  })

  it('is written again by the next push', async () => {
    registry.wait(HOUR)
    await registry.collector.run()
    await registry.pushManifest('app', 'v2', indexOf([]))
    expect(await catalog()).toEqual(['app'])
  })
})

describe('the row of a repository that an older version removed', () => {
  const oldRow = (name: string) => ({
    put: { ...keys.repository(name as RepositoryName), created: 0, updated: 0 },
  })
  const rowCount = async () => (await table.query(REPOSITORIES)).length
  const names = async () => (await registry.get('/v2/_catalog')).json.repositories

  it('is deleted after a listing has read it', async () => {
    await table.transact(oldRow('gone'))
    await names()
    await names()
    registry.wait(HOUR)
    await registry.collector.run()
    expect(await rowCount()).toBe(0)
  })

  it('gets one garbage row, however many listings read it', async () => {
    await table.transact(oldRow('gone'))
    for (let listing = 0; listing < 3; listing++) await names()
    const shards = await Promise.all(GARBAGE_SHARDS.map(shard => table.query(shard)))
    expect(shards.flat()).toHaveLength(1)
  })

  it('is one of at most ten rows that a listing repairs', async () => {
    await table.transact(...Array.from({ length: 12 }, (_, i) => oldRow(`gone-${i}`)))
    await names()
    registry.wait(HOUR)
    await registry.collector.run()
    expect(await rowCount()).toBe(2)
  })

  it.each([
    ['on a full disk', new StorageFull('full', { cause: new Error('full') })],
    ['after a concurrent push', new ConditionFailed([0])],
  ])('does not make a listing fail %s', async (_, error) => {
    const fault: Fault = { calls: 0 }
    const failingTable = withFault(new MemoryTable(), ['transact'], fault)
    const other = openRegistry({ table: failingTable })
    await failingTable.transact(oldRow('gone'))
    fault.error = error
    const response = await other.expectStatus(200, 'GET', '/v2/_catalog')
    expect(response.json.repositories).toEqual([])
  })
})
