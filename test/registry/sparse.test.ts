import { beforeEach, describe, expect, it } from 'vitest'
import type { Digest } from '../../lambda/protocol/digest.ts'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import { keys } from '../../lambda/store/keys.ts'
import type { ManifestRow } from '../../lambda/store/records.ts'
import { violations } from '../simulation/invariants.ts'
import type { World } from '../simulation/world.ts'
import { digest, imageOf, indexOf } from '../support/content.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE_PERIOD, openRegistry, type TestRegistry } from '../support/registry.ts'

const IMAGES = ['amd64', 'arm64'].map(arch => imageOf(['layer'], { annotations: { arch } }))
const [AMD64 = '', ARM64 = ''] = IMAGES
const INDEX = indexOf(IMAGES)
const LARGE = indexOf(IMAGES, { annotations: { note: 'x'.repeat(400_000) } })

let table: MemoryTable
let store: MemoryBlobs
let registry: TestRegistry
beforeEach(() => {
  table = new MemoryTable()
  store = new MemoryBlobs()
  registry = openRegistry({ table, store, sparse: ['mirror/**'] })
})

const pushImage = async (name: string, document: string) => {
  for (const blob of ['{}', 'layer']) await registry.pushBlob(name, blob)
  await registry.pushManifest(name, digest(document), document)
}
const passGracePeriods = async () => {
  for (let i = 0; i < 4; i++) {
    registry.wait(GRACE_PERIOD)
    await registry.collector.run()
  }
}

describe('a sparse repository', () => {
  it.each([
    ['small', INDEX],
    ['above 350 KB', LARGE],
  ])(
    'accepts an index whose child is absent, and serves that child once it is pushed: %s',
    async (_, index) => {
      await pushImage('mirror/app', AMD64)

      await registry.pushManifest('mirror/app', 'v1', index)

      await registry.expectStatus(200, 'GET', `/v2/mirror/app/manifests/${digest(AMD64)}`)
      await registry.expectStatus(404, 'GET', `/v2/mirror/app/manifests/${digest(ARM64)}`)
      await pushImage('mirror/app', ARM64)
      await registry.expectStatus(200, 'GET', `/v2/mirror/app/manifests/${digest(ARM64)}`)
      await registry.pushManifest('mirror/app', 'v2', index)
    },
  )

  it('accepts an image whose layer is absent, and keeps that layer once it is pushed', async () => {
    await registry.pushBlob('mirror/app', '{}')
    await registry.pushManifest('mirror/app', 'v1', imageOf(['layer']))
    await registry.pushBlob('mirror/app', 'layer')

    await passGracePeriods()

    await registry.expectStatus(200, 'GET', `/v2/mirror/app/blobs/${digest('layer')}`)
    await registry.expectStatus(405, 'DELETE', `/v2/mirror/app/blobs/${digest('layer')}`)
    expect(violations({ table, store } as World)).toEqual([])
  })

  it('frees the blobs of an incomplete image when the image is deleted', async () => {
    await registry.pushBlob('mirror/app', '{}')
    await registry.pushManifest('mirror/app', 'v1', imageOf(['layer', 'absent']))
    await registry.pushBlob('mirror/app', 'layer')
    await registry.expectStatus(
      202,
      'DELETE',
      `/v2/mirror/app/manifests/${digest(imageOf(['layer', 'absent']))}`,
    )

    await passGracePeriods()

    expect(store.objects.size).toBe(0)
    expect(table.all().filter(({ sort }) => /^(?:ref|parent|blob)#/.test(sort))).toEqual([])
  })

  it('rejects a malformed manifest', async () => {
    const response = await registry.putManifest('mirror/app', 'v1', imageOf([], { config: undefined }))
    expect([response.status, response.code]).toEqual([400, 'MANIFEST_INVALID'])
  })

  it('does not include repositories that match no pattern', async () => {
    for (const name of ['app', 'mirrors/app']) {
      await pushImage(name, AMD64)
      const response = await registry.putManifest(name, 'v1', INDEX)
      expect([response.status, response.detail]).toEqual([404, { missing: [digest(ARM64)] }])
    }
  })
})

describe('the push of an index to a sparse repository', () => {
  const tagging = async () => {
    const key = keys.manifest('mirror/app' as RepositoryName, digest(AMD64) as Digest)
    return (await table.get<ManifestRow>(key))?.tagging
  }

  it.each([
    ['small', INDEX],
    ['above 350 KB', LARGE],
  ])('changes the row of a present child, so that a delete detects it: %s', async (_, index) => {
    await pushImage('mirror/app', AMD64)
    const before = (await tagging()) ?? 0
    await registry.pushManifest('mirror/app', 'v1', index)
    expect(await tagging()).toBe(before + 1)
  })

  it('changes the row of a present child when the push is repeated', async () => {
    await pushImage('mirror/app', AMD64)
    await registry.pushManifest('mirror/app', 'v1', INDEX)
    const before = (await tagging()) ?? 0
    await registry.pushManifest('mirror/app', 'v2', INDEX)
    expect(await tagging()).toBe(before + 1)
  })

  it('begins again when an absent child is pushed meanwhile, and changes its row', async () => {
    const transact = table.transact.bind(table)
    for (const blob of ['{}', 'layer']) await registry.pushBlob('mirror/app', blob)
    table.transact = async (...writes) => {
      table.transact = transact
      await registry.pushManifest('mirror/app', digest(AMD64), AMD64)
      return transact(...writes)
    }
    await registry.pushManifest('mirror/app', 'v1', INDEX)
    expect(await tagging()).toBe(1)
  })
})

it('a push begins again when an absent layer is uploaded meanwhile, and keeps the layer', async () => {
  await registry.pushBlob('mirror/app', '{}')
  const transact = table.transact.bind(table)
  table.transact = async (...writes) => {
    table.transact = transact
    await registry.pushBlob('mirror/app', 'layer')
    return transact(...writes)
  }
  await registry.pushManifest('mirror/app', 'v1', imageOf(['layer']))

  await registry.expectStatus(405, 'DELETE', `/v2/mirror/app/blobs/${digest('layer')}`)
})
