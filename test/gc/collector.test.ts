import { beforeEach, describe, expect, it } from 'vitest'
import { StoreBusy } from '../../lambda/store/blobs.ts'
import { GARBAGE_SHARDS, keys } from '../../lambda/store/keys.ts'
import { digest, imageOf } from '../support/content.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE_PERIOD, openRegistry, type TestRegistry, UPLOAD_LIFETIME } from '../support/registry.ts'

let store: MemoryBlobs
let table: MemoryTable
let registry: TestRegistry
beforeEach(() => {
  store = new MemoryBlobs()
  table = new MemoryTable()
  registry = openRegistry({ table, store })
})

/** Twice, because a run may write garbage rows into a shard that it has passed already. */
async function collect(): Promise<void> {
  for (let run = 0; run < 2; run++) expect((await registry.collector.run()).failures).toEqual([])
}

const statusOf = async (path: string) => (await registry.head(path)).status
const blobPath = (content: string, name = 'app') => `/v2/${name}/blobs/${digest(content)}`

describe('an unreferenced blob', () => {
  it('is kept for a grace period after its upload, and then deleted', async () => {
    await registry.pushBlob('app', 'layer')

    registry.wait(GRACE_PERIOD - 1)
    await collect()
    expect((await registry.get(blobPath('layer'))).status).toBe(200)

    registry.wait(1)
    await collect()
    expect(await statusOf(blobPath('layer'))).toBe(404)
  })

  it('is kept for a grace period after a HEAD found it', async () => {
    await registry.pushBlob('app', 'layer')
    registry.wait(GRACE_PERIOD / 2)
    expect(await statusOf(blobPath('layer'))).toBe(200)

    registry.wait(GRACE_PERIOD - 1)
    await collect()

    expect((await registry.get(blobPath('layer'))).status).toBe(200)
  })

  it('is deleted a grace period after the last HEAD that found it', async () => {
    await registry.pushBlob('app', 'layer')
    registry.wait(GRACE_PERIOD / 2)
    expect(await statusOf(blobPath('layer'))).toBe(200)
    registry.wait(GRACE_PERIOD / 2)
    await collect()

    registry.wait(GRACE_PERIOD / 2)
    await collect()

    expect((await registry.get(blobPath('layer'))).status).toBe(404)
  })

  it('is deleted from its repository and kept in another one that references it', async () => {
    await registry.pushBlob('app', 'layer')
    await registry.pushImage('other', 'v1', ['layer'])

    registry.wait(GRACE_PERIOD)
    await collect()
    registry.wait(3 * GRACE_PERIOD)
    await collect()

    expect(await statusOf(blobPath('layer'))).toBe(404)
    expect(await statusOf(blobPath('layer', 'other'))).toBe(200)
  })
})

describe('the object of a deleted blob', () => {
  it('is kept for a grace period, so that a backup of the table stays usable, and then deleted', async () => {
    await registry.pushBlob('app', 'layer')
    await registry.expectStatus(202, 'DELETE', blobPath('layer'))
    await collect()
    expect(await registry.pushBlob('app', 'layer')).toBe(digest('layer')) // a new object beside the old one
    expect(store.objects.size).toBe(2)

    registry.wait(GRACE_PERIOD - 1)
    await collect()
    expect(store.objects.size).toBe(2)

    await registry.head(blobPath('layer'))
    registry.wait(1)
    await collect()
    expect(store.objects.size).toBe(1)
    expect((await registry.get(blobPath('layer'))).text).toBe('layer')
  })
})

describe('the object of a deleted manifest above 350 KB', () => {
  it('is kept for a grace period and then deleted', async () => {
    await registry.pushBlob('app', '{}')
    const large = imageOf([], { annotations: { note: 'x'.repeat(400_000) } })
    const named = await registry.pushManifest('app', 'v1', large)
    const objects = store.objects.size
    await registry.expectStatus(202, 'DELETE', `/v2/app/manifests/${named}`)
    registry.wait(GRACE_PERIOD - 1)
    await collect()
    expect(store.objects.size).toBe(objects)

    registry.wait(GRACE_PERIOD)
    await collect()
    expect(store.objects.size).toBeLessThan(objects)
  })
})

describe('a blob that a manifest references', () => {
  it('is kept while the manifest exists, and deleted with it once its grace period is over', async () => {
    const image = await registry.pushImage('app', 'v1', ['layer'])
    registry.wait(100 * GRACE_PERIOD)
    await collect()
    expect((await registry.get(blobPath('layer'))).status).toBe(200)

    await registry.expectStatus(202, 'DELETE', `/v2/app/manifests/${image.digest}`)
    await collect()

    expect((await registry.get(blobPath('layer'))).status).toBe(404)
  })

  it('is kept when the same manifest is deleted and pushed again', async () => {
    const image = await registry.pushImage('app', 'v1', ['layer'])
    await registry.expectStatus(202, 'DELETE', `/v2/app/manifests/${image.digest}`)
    await registry.pushManifest('app', 'v2', imageOf(['layer']))

    registry.wait(2 * GRACE_PERIOD)
    await collect()

    expect((await registry.get('/v2/app/manifests/v2')).status).toBe(200)
    expect((await registry.get(blobPath('layer'))).status).toBe(200)
  })
})

describe('the refs of a deleted manifest', () => {
  it('are deleted by the next run if the store could not read the manifest', async () => {
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

  it('are left to the next run if they are many', async () => {
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
  it('expires after its lifetime without bytes, and its bytes are deleted a grace period later', async () => {
    const location = await registry.beginUpload('app')
    registry.wait(UPLOAD_LIFETIME / 2)
    await registry.expectStatus(202, 'PATCH', location, { body: 'some bytes' })
    registry.wait(UPLOAD_LIFETIME - 1)
    await collect()
    await registry.expectStatus(204, 'GET', location)

    registry.wait(1)
    await collect()
    await registry.expectStatus(404, 'GET', location)

    registry.wait(GRACE_PERIOD)
    await collect()
    expect(await garbage()).toEqual([])
  })

  it('is kept while a request works on it, however long that takes', async () => {
    const location = await registry.beginUpload('app')
    const slow = Promise.withResolvers<void>()
    async function* body() {
      yield Buffer.from('slow ')
      await slow.promise
      yield Buffer.from('bytes')
    }
    const patch = registry.request('PATCH', location, { body: body() })
    registry.wait(3 * UPLOAD_LIFETIME)
    await collect()

    slow.resolve()

    expect((await patch).status).toBe(202)
    await registry.expectStatus(201, 'PUT', `${location}?digest=${digest('slow bytes')}`)
  })
})

it('the collector leaves a row that fails to the next run, and handles the others', async () => {
  for (const content of ['one', 'two', 'three']) await registry.pushBlob('app', content)
  registry.wait(GRACE_PERIOD)
  await collect()
  registry.wait(GRACE_PERIOD)
  const [stubborn] = store.objects.keys()
  const remove = store.delete.bind(store)
  store.delete = async object => {
    if (object === stubborn) throw new Error('disk failure')
    await remove(object)
  }

  const { failures } = await registry.collector.run()
  expect(failures).toHaveLength(1)
  expect([...store.objects.keys()]).toEqual([stubborn])

  store.delete = remove
  await collect()
  expect(store.objects.size).toBe(0)
})

it('the collector handles every due row in one run, and reads few of the others', async () => {
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

it('the collector stops when it must, and leaves the other rows to the next run', async () => {
  for (const content of ['one', 'two', 'three']) await registry.pushBlob('app', content)
  registry.wait(GRACE_PERIOD)
  const before = (await garbage()).length
  let left = 1

  expect((await registry.collector.run(() => left-- > 0)).done).toBe(1)
  expect((await registry.collector.run()).done).toBeGreaterThanOrEqual(before - 1)
})

async function garbage() {
  const rows = await Promise.all(GARBAGE_SHARDS.map(shard => table.query(shard)))
  return rows.flat()
}
