import { beforeEach, describe, expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import type { UploadId } from '../../lambda/protocol/reference.ts'
import { keyOf, type Write } from '../../lambda/store/table.ts'
import { digest, imageOf, indexOf } from '../support/content.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE_PERIOD, openRegistry, type TestRegistry } from '../support/registry.ts'

/*
 * Another request changes the rows that a request has read before it writes. The simulation finds such races by chance.
 * These are the ones that would lose data.
 */

const LAYER = 'the content of a layer'
const DIGEST = digest(LAYER)

let table: MemoryTable
let store: MemoryBlobs
let registry: TestRegistry
beforeEach(() => {
  table = new MemoryTable()
  store = new MemoryBlobs()
  registry = openRegistry({ table, store, direct: { readLimit: 1000 } })
})

/** Runs a function before the next transaction that deletes or writes a row whose sort key has the prefix. */
function justBefore(change: 'delete' | 'write', prefix: string, run: () => Promise<unknown>): void {
  const matches = (write: Write) =>
    !('check' in write) && 'delete' in write === (change === 'delete') && keyOf(write).sort.startsWith(prefix)
  const transact = table.transact.bind(table)
  table.transact = async (...writes) => {
    if (writes.some(matches)) {
      table.transact = transact
      await run()
    }
    return transact(...writes)
  }
}

const collect = () => registry.collector.run()
const blob = (name: string) => `/v2/${name}/blobs/${DIGEST}`
const mount = (name: string, from: string) =>
  registry.expectStatus(201, 'POST', `/v2/${name}/blobs/uploads/?mount=${DIGEST}&from=${from}`)

/** Lets grace periods pass until everything unreferenced is deleted. HEAD requests keep the blob in one repository. */
async function passGracePeriods(name: string): Promise<void> {
  for (let i = 0; i < 8; i++) {
    await collect()
    registry.wait(GRACE_PERIOD / 2)
    await registry.head(blob(name))
  }
  await collect()
}

async function expectKept(name: string): Promise<void> {
  await passGracePeriods(name)
  expect((await registry.expectStatus(200, 'GET', blob(name))).text).toBe(LAYER)
}

describe('a blob is kept', () => {
  it('when it is deleted and uploaded again during a mount', async () => {
    await registry.pushBlob('a', LAYER)
    justBefore('write', `blob#${DIGEST}`, async () => {
      await registry.expectStatus(202, 'DELETE', blob('a'))
      await collect()
      await registry.pushBlob('a', LAYER)
    })
    await mount('b', 'a')

    await expectKept('b')
  })

  it('when it is mounted while the collector deletes it', async () => {
    await registry.pushBlob('a', LAYER)
    await registry.expectStatus(202, 'DELETE', blob('a'))
    justBefore('delete', 'object', () => registry.pushBlob('b', LAYER))
    await collect()

    await expectKept('b')
  })

  it('when two repositories upload it first at the same time', async () => {
    justBefore('write', 'object', () => registry.pushBlob('b', LAYER))
    await registry.pushBlob('a', LAYER)
    await registry.expectStatus(202, 'DELETE', blob('b'))

    await expectKept('a')
  })

  it('when its session is closed during a cancel', async () => {
    const location = await registry.beginUpload('a')
    justBefore('delete', 'upload#', () =>
      registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: LAYER }),
    )
    await registry.expectStatus(404, 'DELETE', location)

    await expectKept('a')
  })

  it('when its session is closed during the adoption of a direct upload', async () => {
    const { headers } = await registry.expectStatus(202, 'POST', '/v2/a/blobs/uploads/')
    const session = { name: 'a' as RepositoryName, upload: headers['docker-upload-uuid'] as UploadId }
    store.write(session, 'written directly')
    justBefore('delete', 'upload#', () =>
      registry.expectStatus(201, 'PUT', `${headers.location}?digest=${DIGEST}`, { body: LAYER }),
    )
    await registry.directUploads.adopt(session)

    await expectKept('a')
  })

  it('when a manifest that references it is pushed during its delete', async () => {
    for (const content of ['{}', LAYER]) await registry.pushBlob('a', content)
    justBefore('delete', 'blob#', () => registry.pushManifest('a', 'v1', imageOf([LAYER])))
    await registry.expectStatus(405, 'DELETE', blob('a'))

    await expectKept('a')
  })

  it('when the collector ends the announcement of a large push just before its commit', async () => {
    for (const content of ['{}', LAYER]) await registry.pushBlob('a', content)
    justBefore('write', 'manifest#', async () => {
      registry.wait(GRACE_PERIOD / 2)
      await registry.head(blob('a'))
      await registry.head(`/v2/a/blobs/${digest('{}')}`)
      registry.wait(GRACE_PERIOD / 2)
      await collect()
    })
    const large = imageOf([LAYER], { annotations: { note: 'x'.repeat(400_000) } })
    await registry.pushManifest('a', 'v1', large)

    await registry.expectStatus(405, 'DELETE', blob('a'))
  })
})

it('a session that is cancelled just before it is closed makes no blob', async () => {
  const location = await registry.beginUpload('a')
  justBefore('delete', 'upload#', () => registry.expectStatus(204, 'DELETE', location))
  await registry.expectStatus(404, 'PUT', `${location}?digest=${DIGEST}`, { body: LAYER })
  await registry.expectStatus(404, 'GET', blob('a'))
})

describe('no unreferenced object remains', () => {
  it('when a blob is mounted twice at the same time', async () => {
    await registry.pushBlob('a', LAYER)
    justBefore('write', `blob#${DIGEST}`, () => mount('b', 'a'))
    await mount('b', 'a')
    for (const name of ['a', 'b']) await registry.expectStatus(202, 'DELETE', blob(name))

    await passGracePeriods('c')
    expect(store.objects.size).toBe(0)
  })

  it('when a blob is deleted, uploaded and deleted again while the collector deletes it', async () => {
    await registry.pushBlob('a', LAYER)
    await registry.expectStatus(202, 'DELETE', blob('a'))
    justBefore('delete', 'object', async () => {
      await collect()
      await registry.pushBlob('a', LAYER)
      await registry.expectStatus(202, 'DELETE', blob('a'))
    })
    await collect()

    await passGracePeriods('c')
    expect(store.objects.size).toBe(0)
  })
})

describe('a tag', () => {
  const index = (name: string) => indexOf([], { annotations: { name } })
  const tagsOf = async () => (await registry.get('/v2/a/tags/list')).json.tags

  it('that is moved twice at the same time does not protect the manifest in between', async () => {
    await registry.pushManifest('a', 'v1', index('first'))
    justBefore('write', 'tag#', () => registry.pushManifest('a', 'v1', index('second')))
    await registry.pushManifest('a', 'v1', index('third'))

    expect((await registry.get('/v2/a/manifests/v1')).text).toBe(index('third'))
    await registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${digest(index('second'))}`)
    expect(await tagsOf()).toEqual(['v1'])
  })

  it('that is moved during its delete does not protect a manifest', async () => {
    await registry.pushManifest('a', 'v1', index('first'))
    justBefore('delete', 'tag#', () => registry.pushManifest('a', 'v1', index('second')))
    await registry.expectStatus(202, 'DELETE', '/v2/a/manifests/v1')

    await registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${digest(index('second'))}`)
    expect(await tagsOf()).toEqual([])
  })

  it('that is pushed during the delete of its manifest is deleted too', async () => {
    const named = await registry.pushManifest('a', 'v1', index('first'))
    justBefore('delete', 'manifest#', () => registry.pushManifest('a', 'v2', index('first')))
    await registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${named}`)

    expect(await tagsOf()).toEqual([])
  })
})

it('a repository is removed although another request deletes one of its manifests meanwhile', async () => {
  const named = await registry.pushManifest('a', 'v1', indexOf([]))
  justBefore('delete', 'manifest#', () => registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${named}`))
  await registry.expectStatus(200, 'DELETE', '/api/repositories/a')
})

it('a large push succeeds while the collector runs between its transactions', async () => {
  for (const content of ['{}', LAYER]) await registry.pushBlob('a', content)
  let collecting = false
  const transact = table.transact.bind(table)
  table.transact = async (...writes) => {
    if (!collecting) {
      collecting = true
      await collect()
      collecting = false
    }
    return transact(...writes)
  }
  const manifest = imageOf([LAYER], { annotations: { note: 'x'.repeat(400_000) } })
  await registry.pushManifest('a', 'v1', manifest)
  expect((await registry.expectStatus(200, 'GET', '/v2/a/manifests/v1')).text).toBe(manifest)
  expect((await registry.expectStatus(200, 'GET', blob('a'))).text).toBe(LAYER)
})
