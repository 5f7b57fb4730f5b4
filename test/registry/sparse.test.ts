import { beforeEach, describe, expect, it } from 'vitest'
import type { Digest } from '../../lambda/protocol/digest.ts'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import { keys } from '../../lambda/store/keys.ts'
import type { ManifestRow } from '../../lambda/store/records.ts'
import { contradictions } from '../simulation/invariants.ts'
import type { World } from '../simulation/world.ts'
import { digest, imageOf, indexOf } from '../support/content.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE, openRegistry, type TestRegistry } from '../support/registry.ts'

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
const passGraces = async () => {
  for (let i = 0; i < 4; i++) {
    registry.wait(GRACE)
    await registry.collector.run()
  }
}

describe('a repository of the setting sparse', () => {
  it.each([
    ['small', INDEX],
    ['above 350 KB', LARGE],
  ])(
    'takes an index of which one child is absent, and finds that child when it comes: %s',
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

  it('takes an image of which a layer is absent, and keeps that layer from when it comes', async () => {
    await registry.pushBlob('mirror/app', '{}')
    await registry.pushManifest('mirror/app', 'v1', imageOf(['layer']))
    await registry.pushBlob('mirror/app', 'layer')

    await passGraces()

    await registry.expectStatus(200, 'GET', `/v2/mirror/app/blobs/${digest('layer')}`)
    await registry.expectStatus(405, 'DELETE', `/v2/mirror/app/blobs/${digest('layer')}`)
    expect(contradictions({ table, store } as World)).toEqual([])
  })

  it('frees what an incomplete image needed when that is deleted', async () => {
    await registry.pushBlob('mirror/app', '{}')
    await registry.pushManifest('mirror/app', 'v1', imageOf(['layer', 'absent']))
    await registry.pushBlob('mirror/app', 'layer')
    await registry.expectStatus(
      202,
      'DELETE',
      `/v2/mirror/app/manifests/${digest(imageOf(['layer', 'absent']))}`,
    )

    await passGraces()

    expect(store.objects.size).toBe(0)
    expect(table.all().filter(({ sort }) => /^(?:ref|parent|blob)#/.test(sort))).toEqual([])
  })

  it('refuses a manifest that is malformed, as any other', async () => {
    const answer = await registry.putManifest('mirror/app', 'v1', imageOf([], { config: undefined }))
    expect([answer.status, answer.code]).toEqual([400, 'MANIFEST_INVALID'])
  })

  it('is none that the patterns do not name', async () => {
    for (const name of ['app', 'mirrors/app']) {
      await pushImage(name, AMD64)
      const answer = await registry.putManifest(name, 'v1', INDEX)
      expect([answer.status, answer.detail]).toEqual([404, { missing: [digest(ARM64)] }])
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
  ])('changes the row of a child that is present, so that a delete notices it: %s', async (_, index) => {
    await pushImage('mirror/app', AMD64)
    const before = (await tagging()) ?? 0
    await registry.pushManifest('mirror/app', 'v1', index)
    expect(await tagging()).toBe(before + 1)
  })

  it('changes the row of a child that is present when the push is repeated', async () => {
    await pushImage('mirror/app', AMD64)
    await registry.pushManifest('mirror/app', 'v1', INDEX)
    const before = (await tagging()) ?? 0
    await registry.pushManifest('mirror/app', 'v2', INDEX)
    expect(await tagging()).toBe(before + 1)
  })

  it('begins again when an absent child arrives meanwhile, and changes its row', async () => {
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

it('a push begins again when an absent layer arrives meanwhile, and keeps the layer', async () => {
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
