import { beforeEach, describe, expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import type { UploadId } from '../../lambda/protocol/reference.ts'
import { keyOf, type Write } from '../../lambda/store/table.ts'
import { digest, imageOf, indexOf } from '../support/content.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE, openRegistry, type TestRegistry } from '../support/registry.ts'

/*
 * What one request has read is changed by another before it writes. The simulation finds such meetings by chance; these are
 * the ones that cost somebody his data.
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

/** Lets something happen before the next transaction that deletes, or else writes, a row whose sort key begins so. */
function justBefore(how: 'delete' | 'write', beginning: string, happens: () => Promise<unknown>): void {
  const isMeant = (write: Write) =>
    !('check' in write) && 'delete' in write === (how === 'delete') && keyOf(write).sort.startsWith(beginning)
  const transact = table.transact.bind(table)
  table.transact = async (...writes) => {
    if (writes.some(isMeant)) {
      table.transact = transact
      await happens()
    }
    return transact(...writes)
  }
}

const collect = () => registry.collector.run()
const blob = (name: string) => `/v2/${name}/blobs/${DIGEST}`
const mount = (name: string, from: string) =>
  registry.expectStatus(201, 'POST', `/v2/${name}/blobs/uploads/?mount=${DIGEST}&from=${from}`)

/** Time in which all goes that nobody holds. The blob in this repository is asked for meanwhile. */
async function passGraces(name: string): Promise<void> {
  for (let i = 0; i < 8; i++) {
    await collect()
    registry.wait(GRACE / 2)
    await registry.head(blob(name))
  }
  await collect()
}

async function expectKept(name: string): Promise<void> {
  await passGraces(name)
  expect((await registry.expectStatus(200, 'GET', blob(name))).text).toBe(LAYER)
}

describe('a blob is not lost', () => {
  it('when it is freed and uploaded again while it is being mounted', async () => {
    await registry.pushBlob('a', LAYER)
    justBefore('write', `blob#${DIGEST}`, async () => {
      await registry.expectStatus(202, 'DELETE', blob('a'))
      await collect()
      await registry.pushBlob('a', LAYER)
    })
    await mount('b', 'a')

    await expectKept('b')
  })

  it('when it is mounted while it is being freed', async () => {
    await registry.pushBlob('a', LAYER)
    await registry.expectStatus(202, 'DELETE', blob('a'))
    justBefore('delete', 'object', () => registry.pushBlob('b', LAYER))
    await collect()

    await expectKept('b')
  })

  it('when two repositories are the first to get it', async () => {
    justBefore('write', 'object', () => registry.pushBlob('b', LAYER))
    await registry.pushBlob('a', LAYER)
    await registry.expectStatus(202, 'DELETE', blob('b'))

    await expectKept('a')
  })

  it('when its session ends while that is being cancelled', async () => {
    const location = await registry.beginUpload('a')
    justBefore('delete', 'upload#', () =>
      registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: LAYER }),
    )
    await registry.expectStatus(404, 'DELETE', location)

    await expectKept('a')
  })

  it('when its session ends while what a client wrote for that is being claimed', async () => {
    const { headers } = await registry.expectStatus(202, 'POST', '/v2/a/blobs/uploads/')
    const session = { name: 'a' as RepositoryName, upload: headers['docker-upload-uuid'] as UploadId }
    store.write(session, 'written directly')
    justBefore('delete', 'upload#', () =>
      registry.expectStatus(201, 'PUT', `${headers.location}?digest=${DIGEST}`, { body: LAYER }),
    )
    await registry.directUploads.adopt(session)

    await expectKept('a')
  })

  it('when a manifest begins to need it while it is being deleted', async () => {
    for (const content of ['{}', LAYER]) await registry.pushBlob('a', content)
    justBefore('delete', 'blob#', () => registry.pushManifest('a', 'v1', imageOf([LAYER])))
    await registry.expectStatus(405, 'DELETE', blob('a'))

    await expectKept('a')
  })

  it('when the collector takes a large push for dead just before its end', async () => {
    for (const content of ['{}', LAYER]) await registry.pushBlob('a', content)
    justBefore('write', 'manifest#', async () => {
      registry.wait(GRACE / 2)
      await registry.head(blob('a'))
      await registry.head(`/v2/a/blobs/${digest('{}')}`)
      registry.wait(GRACE / 2)
      await collect()
    })
    const large = imageOf([LAYER], { annotations: { note: 'x'.repeat(400_000) } })
    await registry.pushManifest('a', 'v1', large)

    await registry.expectStatus(405, 'DELETE', blob('a'))
  })
})

it('a session that is cancelled just before its end makes no blob', async () => {
  const location = await registry.beginUpload('a')
  justBefore('delete', 'upload#', () => registry.expectStatus(204, 'DELETE', location))
  await registry.expectStatus(404, 'PUT', `${location}?digest=${DIGEST}`, { body: LAYER })
  await registry.expectStatus(404, 'GET', blob('a'))
})

describe('no object stays that nobody holds', () => {
  it('when a blob is mounted twice at once', async () => {
    await registry.pushBlob('a', LAYER)
    justBefore('write', `blob#${DIGEST}`, () => mount('b', 'a'))
    await mount('b', 'a')
    for (const name of ['a', 'b']) await registry.expectStatus(202, 'DELETE', blob(name))

    await passGraces('c')
    expect(store.objects.size).toBe(0)
  })

  it('when a blob is freed, uploaded and deleted again while it is being freed', async () => {
    await registry.pushBlob('a', LAYER)
    await registry.expectStatus(202, 'DELETE', blob('a'))
    justBefore('delete', 'object', async () => {
      await collect()
      await registry.pushBlob('a', LAYER)
      await registry.expectStatus(202, 'DELETE', blob('a'))
    })
    await collect()

    await passGraces('c')
    expect(store.objects.size).toBe(0)
  })
})

describe('a tag', () => {
  const index = (name: string) => indexOf([], { annotations: { name } })
  const tagsOf = async () => (await registry.get('/v2/a/tags/list')).json.tags

  it('that is moved twice at once keeps no manifest from being deleted', async () => {
    await registry.pushManifest('a', 'v1', index('first'))
    justBefore('write', 'tag#', () => registry.pushManifest('a', 'v1', index('second')))
    await registry.pushManifest('a', 'v1', index('third'))

    expect((await registry.get('/v2/a/manifests/v1')).text).toBe(index('third'))
    await registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${digest(index('second'))}`)
    expect(await tagsOf()).toEqual(['v1'])
  })

  it('that is deleted while it is moved keeps no manifest from being deleted', async () => {
    await registry.pushManifest('a', 'v1', index('first'))
    justBefore('delete', 'tag#', () => registry.pushManifest('a', 'v1', index('second')))
    await registry.expectStatus(202, 'DELETE', '/v2/a/manifests/v1')

    await registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${digest(index('second'))}`)
    expect(await tagsOf()).toEqual([])
  })

  it('goes with its manifest also where it came while that was being deleted', async () => {
    const named = await registry.pushManifest('a', 'v1', index('first'))
    justBefore('delete', 'manifest#', () => registry.pushManifest('a', 'v2', index('first')))
    await registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${named}`)

    expect(await tagsOf()).toEqual([])
  })
})

it('a repository is removed though somebody else takes one of its manifests away meanwhile', async () => {
  const named = await registry.pushManifest('a', 'v1', indexOf([]))
  justBefore('delete', 'manifest#', () => registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${named}`))
  await registry.expectStatus(200, 'DELETE', '/api/repositories/a')
})

it('a large push goes on while the collector comes by', async () => {
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
