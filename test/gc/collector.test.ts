import { beforeEach, describe, expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import { StorageFull, StoreBusy } from '../../lambda/store/blobs.ts'
import { GARBAGE_SHARDS, keys, REPOSITORIES } from '../../lambda/store/keys.ts'
import { ConditionFailed } from '../../lambda/store/table.ts'
import { digest, imageOf, indexOf } from '../support/content.ts'
import { type Fault, withFault } from '../support/faults.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE, openRegistry, type TestRegistry, UPLOAD_LIFE } from '../support/registry.ts'

let store: MemoryBlobs
let table: MemoryTable
let registry: TestRegistry
beforeEach(() => {
  store = new MemoryBlobs()
  table = new MemoryTable()
  registry = openRegistry({ table, store })
})

/** Twice, because what a run frees may be on the list that it has just been through. */
async function collect(): Promise<void> {
  for (let run = 0; run < 2; run++) expect((await registry.collector.run()).failures).toEqual([])
}

const statusOf = async (path: string) => (await registry.head(path)).status
const blobPath = (content: string, name = 'app') => `/v2/${name}/blobs/${digest(content)}`

describe('a blob that no manifest needs', () => {
  it('stays for a grace after it was uploaded, and goes then', async () => {
    await registry.pushBlob('app', 'layer')

    registry.wait(GRACE - 1)
    await collect()
    expect((await registry.get(blobPath('layer'))).status).toBe(200)

    registry.wait(1)
    await collect()
    expect(await statusOf(blobPath('layer'))).toBe(404)
  })

  it('stays for a grace after a client was told that it is here', async () => {
    await registry.pushBlob('app', 'layer')
    registry.wait(GRACE / 2)
    expect(await statusOf(blobPath('layer'))).toBe(200)

    registry.wait(GRACE - 1)
    await collect()

    expect((await registry.get(blobPath('layer'))).status).toBe(200)
  })

  it('goes a grace after the last client was told that it is here', async () => {
    await registry.pushBlob('app', 'layer')
    registry.wait(GRACE / 2)
    expect(await statusOf(blobPath('layer'))).toBe(200)
    registry.wait(GRACE / 2)
    await collect()

    registry.wait(GRACE / 2)
    await collect()

    expect((await registry.get(blobPath('layer'))).status).toBe(404)
  })

  it('goes from one repository and stays in another', async () => {
    await registry.pushBlob('app', 'layer')
    await registry.pushImage('other', 'v1', ['layer'])

    registry.wait(GRACE)
    await collect()
    registry.wait(3 * GRACE)
    await collect()

    expect(await statusOf(blobPath('layer'))).toBe(404)
    expect(await statusOf(blobPath('layer', 'other'))).toBe(200)
  })
})

describe('the object of a blob that is gone', () => {
  it('stays for a grace, so that a copy of the table taken before is good that long, and goes then', async () => {
    await registry.pushBlob('app', 'layer')
    await registry.expectStatus(202, 'DELETE', blobPath('layer'))
    await collect()
    expect(await registry.pushBlob('app', 'layer')).toBe(digest('layer')) // a new object beside the old one
    expect(store.objects.size).toBe(2)

    registry.wait(GRACE - 1)
    await collect()
    expect(store.objects.size).toBe(2)

    await registry.head(blobPath('layer'))
    registry.wait(1)
    await collect()
    expect(store.objects.size).toBe(1)
    expect((await registry.get(blobPath('layer'))).text).toBe('layer')
  })
})

describe('the content of a large manifest that is gone', () => {
  it('stays for a grace, as that of blobs does, and goes then', async () => {
    await registry.pushBlob('app', '{}')
    const large = imageOf([], { annotations: { note: 'x'.repeat(400_000) } })
    const named = await registry.pushManifest('app', 'v1', large)
    const objects = store.objects.size
    await registry.expectStatus(202, 'DELETE', `/v2/app/manifests/${named}`)
    registry.wait(GRACE - 1)
    await collect()
    expect(store.objects.size).toBe(objects)

    registry.wait(GRACE)
    await collect()
    expect(store.objects.size).toBeLessThan(objects)
  })
})

describe('what a manifest needs', () => {
  it('stays for ever, and when the manifest is deleted for its grace', async () => {
    const image = await registry.pushImage('app', 'v1', ['layer'])
    registry.wait(100 * GRACE)
    await collect()
    expect((await registry.get(blobPath('layer'))).status).toBe(200)

    await registry.expectStatus(202, 'DELETE', `/v2/app/manifests/${image.digest}`)
    await collect()

    expect((await registry.get(blobPath('layer'))).status).toBe(404)
  })

  it('stays when the same manifest is pushed again after its delete', async () => {
    const image = await registry.pushImage('app', 'v1', ['layer'])
    await registry.expectStatus(202, 'DELETE', `/v2/app/manifests/${image.digest}`)
    await registry.pushManifest('app', 'v2', imageOf(['layer']))

    registry.wait(2 * GRACE)
    await collect()

    expect((await registry.get('/v2/app/manifests/v2')).status).toBe(200)
    expect((await registry.get(blobPath('layer'))).status).toBe(200)
  })
})

describe('what a manifest needed that is deleted', () => {
  it('is freed by the next run where the store could not tell what that was', async () => {
    for (const blob of ['{}', 'layer']) await registry.pushBlob('app', blob)
    const large = imageOf(['layer'], { annotations: { note: 'x'.repeat(400_000) } })
    const image = await registry.pushManifest('app', 'v1', large)
    const read = store.read.bind(store)
    store.read = async () => {
      throw new StoreBusy('slow down')
    }
    await registry.expectStatus(202, 'DELETE', `/v2/app/manifests/${image}`)
    store.read = read
    await collect()

    await registry.expectStatus(202, 'DELETE', blobPath('layer'))
  })

  it('is left to the next run where it is much', async () => {
    const layers = Array.from({ length: 300 }, (_, i) => `layer ${i}`)
    const image = await registry.pushImage('app', 'v1', layers)
    let writes = 0
    const transact = table.transact.bind(table)
    table.transact = (...some) => {
      writes += some.length
      return transact(...some)
    }
    await registry.expectStatus(202, 'DELETE', `/v2/app/manifests/${image.digest}`)
    expect(writes).toBeLessThan(10)

    await collect()
    await registry.expectStatus(202, 'DELETE', blobPath('layer 299'))
  })
})

describe('an upload session', () => {
  it('goes when it has been idle for its life, and a grace later its bytes', async () => {
    const location = await registry.beginUpload('app')
    registry.wait(UPLOAD_LIFE / 2)
    await registry.expectStatus(202, 'PATCH', location, { body: 'some bytes' })
    registry.wait(UPLOAD_LIFE - 1)
    await collect()
    await registry.expectStatus(204, 'GET', location)

    registry.wait(1)
    await collect()
    await registry.expectStatus(404, 'GET', location)

    registry.wait(GRACE)
    await collect()
    expect(await garbage()).toEqual([])
  })

  it('stays while a request is at work on it, however long that takes', async () => {
    const location = await registry.beginUpload('app')
    const slow = Promise.withResolvers<void>()
    async function* body() {
      yield Buffer.from('slow ')
      await slow.promise
      yield Buffer.from('bytes')
    }
    const patch = registry.request('PATCH', location, { body: body() })
    registry.wait(3 * UPLOAD_LIFE)
    await collect()

    slow.resolve()

    expect((await patch).status).toBe(202)
    await registry.expectStatus(201, 'PUT', `${location}?digest=${digest('slow bytes')}`)
  })
})

it('leaves what it failed on for the next run, and deals with the rest', async () => {
  for (const content of ['one', 'two', 'three']) await registry.pushBlob('app', content)
  registry.wait(GRACE)
  await collect()
  registry.wait(GRACE)
  const [stubborn] = store.objects.keys()
  const remove = store.delete.bind(store)
  store.delete = async object => {
    if (object === stubborn) throw new Error('the disk says no')
    await remove(object)
  }

  const { failures } = await registry.collector.run()
  expect(failures).toHaveLength(1)
  expect([...store.objects.keys()]).toEqual([stubborn])

  store.delete = remove
  await collect()
  expect(store.objects.size).toBe(0)
})

it('deals with all that is due in one run, and reads little of what is not', async () => {
  const list = (due: number, number: number) =>
    table.transact({ put: { ...keys.garbage(due, `0${number}`), due, what: 'object', object: `o${number}` } })
  for (let i = 0; i < 250; i++) {
    await list(registry.now(), i)
    await list(registry.now() + 1, i)
  }
  let pages = 0
  const query = table.query.bind(table)
  table.query = (partition, range) => {
    if (partition === GARBAGE_SHARDS[0]) pages++
    return query(partition, range)
  }

  expect((await registry.collector.run()).done).toBe(250)
  expect(pages).toBe(3)
})

it('begins nothing more when it is told to stop, and leaves it to the next run', async () => {
  for (const content of ['one', 'two', 'three']) await registry.pushBlob('app', content)
  registry.wait(GRACE)
  const before = (await garbage()).length
  let left = 1

  expect((await registry.collector.run(() => left-- > 0)).done).toBe(1)
  expect((await registry.collector.run()).done).toBeGreaterThanOrEqual(before - 1)
})

async function garbage() {
  const rows = await Promise.all(GARBAGE_SHARDS.map(shard => table.query(shard)))
  return rows.flat()
}

describe('the row of a repository that was removed', () => {
  const HOUR = 60 * 60 * 1000
  const row = () => table.get(keys.repository('app' as RepositoryName))
  const remove = () => registry.expectStatus(200, 'DELETE', '/api/repositories/app')
  const catalog = async () => (await registry.get('/v2/_catalog')).json.repositories
  beforeEach(async () => {
    await registry.pushManifest('app', 'v1', indexOf([]))
    await remove()
  })

  it('goes an hour later, so the catalog does not look at it any more', async () => {
    registry.wait(HOUR - 1)
    await collect()
    expect(await row()).toBeDefined()

    registry.wait(1)
    await collect()
    expect(await row()).toBeUndefined()
    expect((await registry.get('/v2/app/tags/list')).status).toBe(404)
  })

  it('stays when something was pushed meanwhile', async () => {
    await registry.pushManifest('app', 'v2', indexOf([]))
    registry.wait(HOUR)
    await collect()
    expect(await catalog()).toEqual(['app'])
  })

  it('is dated when a push that read it before has left it as it was', async () => {
    await registry.pushManifest('app', 'v2', indexOf([]))
    const update = { set: { updated: 0 } }
    await table.transact({ update: keys.repository('app' as RepositoryName), change: update })
    registry.wait(HOUR)
    await collect()
    expect(await row()).toMatchObject({ updated: registry.now() })
    expect(await catalog()).toEqual(['app'])
  })

  it('is made again by the next push', async () => {
    registry.wait(HOUR)
    await collect()
    await registry.pushManifest('app', 'v2', indexOf([]))
    expect(await catalog()).toEqual(['app'])
  })
})

describe('the row of a repository that an older version removed', () => {
  const HOUR = 60 * 60 * 1000
  const oldRow = (name: string) => ({
    put: { ...keys.repository(name as RepositoryName), created: 0, updated: 0 },
  })
  const rowCount = async () => (await table.query(REPOSITORIES)).length
  const names = async () => (await registry.get('/v2/_catalog')).json.repositories

  it('is collected once a listing has met it', async () => {
    await table.transact(oldRow('gone'))
    await names()
    await names()
    registry.wait(HOUR)
    await registry.collector.run()
    expect(await rowCount()).toBe(0)
  })

  it('is given one garbage row, however many listings meet it', async () => {
    await table.transact(oldRow('gone'))
    for (let listing = 0; listing < 3; listing++) await names()
    expect(await garbage()).toHaveLength(1)
  })

  it('is handed to the collector with at most nine others by one listing', async () => {
    await table.transact(...Array.from({ length: 12 }, (_, i) => oldRow(`gone-${i}`)))
    await names()
    registry.wait(HOUR)
    await registry.collector.run()
    expect(await rowCount()).toBe(2)
  })

  it.each([
    ['on a full disk', new StorageFull('full', { cause: new Error('full') })],
    ['that a push overtakes', new ConditionFailed([0])],
  ])('does not fail a listing %s', async (_, error) => {
    const trouble: Fault = { calls: 0 }
    const troubledTable = withFault(new MemoryTable(), ['transact'], trouble)
    const other = openRegistry({ table: troubledTable })
    await troubledTable.transact(oldRow('gone'))
    trouble.error = error
    const answer = await other.expectStatus(200, 'GET', '/v2/_catalog')
    expect(answer.json.repositories).toEqual([])
  })
})
