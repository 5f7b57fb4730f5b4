import { beforeEach, describe, expect, it } from 'vitest'
import { OCI_IMAGE } from '../../lambda/protocol/media-types.ts'
import { descriptorOf, digest, imageOf, indexOf } from '../support/content.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE_PERIOD, openRegistry, type TestRegistry } from '../support/registry.ts'

const IMAGE = imageOf(['layer'])
const SMALL = indexOf([IMAGE])
const MANY = Array.from({ length: 120 }, (_, i) => imageOf(['layer'], { annotations: { i: String(i) } }))

let table: MemoryTable
let registry: TestRegistry
beforeEach(async () => {
  table = new MemoryTable()
  registry = openRegistry({ table })
  for (const blob of ['{}', 'layer']) await registry.pushBlob('app', blob)
})

const deleteManifest = (document: string) =>
  registry.expectStatus(202, 'DELETE', `/v2/app/manifests/${digest(document)}`)

describe('an index pushed again', () => {
  it.each<[string, string, string[]]>([
    ['with one child', SMALL, [IMAGE]],
    ['above 350 KB', indexOf([IMAGE], { annotations: { note: 'x'.repeat(400_000) } }), [IMAGE]],
    ['with more children than one transaction holds', indexOf(MANY), MANY],
    ['in another index', indexOf([SMALL]), [IMAGE, SMALL]],
  ])('%s is rejected when its last child has been deleted', async (_, index, children) => {
    for (const child of children) await registry.pushManifest('app', digest(child), child)
    await registry.pushManifest('app', 'v1', index)
    const gone = children.at(-1) ?? ''
    await deleteManifest(gone)

    for (const reference of ['v1', 'v2', digest(index)]) {
      const response = await registry.putManifest('app', reference, index)
      expect([response.status, response.code]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN'])
      expect(response.detail).toEqual({ missing: [digest(gone)] })
    }
    await registry.expectStatus(404, 'GET', '/v2/app/manifests/v2')
  })

  it('is accepted when its child has been pushed again', async () => {
    await registry.pushManifest('app', 'v1', IMAGE)
    await registry.pushManifest('app', 'v2', SMALL)
    await deleteManifest(IMAGE)
    await registry.pushManifest('app', 'v1', IMAGE)

    await registry.pushManifest('app', 'v3', SMALL)
  })

  it('is rejected when its child is deleted just before the transaction', async () => {
    await registry.pushManifest('app', 'v1', IMAGE)
    await registry.pushManifest('app', 'v2', SMALL)
    const transact = table.transact.bind(table)
    table.transact = async (...writes) => {
      table.transact = transact
      await deleteManifest(IMAGE)
      return transact(...writes)
    }

    const response = await registry.putManifest('app', 'v3', SMALL)

    expect([response.status, response.detail]).toEqual([404, { missing: [digest(IMAGE)] }])
    await registry.expectStatus(404, 'GET', '/v2/app/manifests/v3')
  })

  it('with more children than one transaction holds moves its tag', async () => {
    for (const child of MANY) await registry.pushManifest('app', digest(child), child)
    await registry.pushManifest('app', 'v1', indexOf(MANY))

    await registry.pushManifest('app', 'v2', indexOf(MANY))

    expect((await registry.get('/v2/app/manifests/v2')).text).toBe(indexOf(MANY))
  })
})

describe('an image pushed again', () => {
  it('still has its blobs, which could not be deleted meanwhile', async () => {
    await registry.pushManifest('app', 'v1', IMAGE)
    for (const blob of ['{}', 'layer'])
      await registry.expectStatus(405, 'DELETE', `/v2/app/blobs/${digest(blob)}`)
    for (let i = 0; i < 4; i++) {
      registry.wait(GRACE_PERIOD)
      await registry.collector.run()
    }

    await registry.pushManifest('app', 'v2', IMAGE)

    for (const blob of ['{}', 'layer'])
      await registry.expectStatus(200, 'GET', `/v2/app/blobs/${digest(blob)}`)
  })

  it('is accepted without its subject, which may be absent', async () => {
    const subject = descriptorOf(IMAGE, OCI_IMAGE)
    await registry.pushManifest('app', 'v1', IMAGE)
    const signature = imageOf(['layer'], { subject })
    await registry.pushManifest('app', 'signature', signature)
    await deleteManifest(IMAGE)

    await registry.pushManifest('app', 'signature', signature)
  })
})
