import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { StoreBusy } from '../../lambda/store/blobs.ts'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { digest, imageOf } from '../support/content.ts'
import { openRegistry, type TestRegistry } from '../support/registry.ts'
import { TempDir } from '../support/temp-dir.ts'

/** What the system refuses to open a file with, while it does. */
const refusal = vi.hoisted(() => ({ code: undefined as string | undefined }))

vi.mock('node:fs/promises', async importOriginal => {
  const files = await importOriginal<typeof import('node:fs/promises')>()
  const open: typeof files.open = (...parameters) => {
    const { code } = refusal
    if (code) return Promise.reject(Object.assign(new Error(`${code}: too many open files`), { code }))
    return files.open(...parameters)
  }
  return { ...files, open }
})

const LARGE = imageOf(['layer'], { annotations: { fill: 'x'.repeat(400_000) } })
const LAYER = digest('layer')

describe.each(['EMFILE', 'ENFILE'])('a registry without a file descriptor left (%s)', code => {
  let scratch: TempDir
  let registry: TestRegistry
  let session: string
  beforeEach(async () => {
    scratch = new TempDir()
    registry = openRegistry({ store: await FileBlobs.open(scratch.path) })
    for (const blob of ['{}', 'layer']) await registry.pushBlob('a', blob)
    await registry.pushManifest('a', 'large', LARGE)
    session = await registry.beginUpload('a')
    await registry.expectStatus(202, 'PATCH', session, { body: 'received, ' })
    refusal.code = code
  })
  afterEach(() => {
    refusal.code = undefined
    scratch.remove()
  })

  it.each<[method: string, target: () => string, body: string]>([
    ['GET', () => `/v2/a/blobs/${LAYER}`, ''],
    ['GET', () => '/v2/a/manifests/large', ''],
    ['PATCH', () => session, 'more'],
    ['PUT', () => `${session}?digest=${digest('received, more')}`, 'more'],
    ['PUT', () => `${session}?digest=${digest('received, ')}`, ''],
    ['DELETE', () => session, ''],
    ['POST', () => `/v2/a/blobs/uploads/?digest=${digest('new')}`, 'new'],
  ])('asks the client of a %s to come back', async (method, target, body) => {
    const { headers, exchange } = await registry.expectStatus(503, method, target(), { body })

    expect([headers['retry-after'], exchange.code]).toEqual(['1', 'UNAVAILABLE'])
    expect(exchange.fault).toBeInstanceOf(StoreBusy)
  })

  it('asks the client of a manifest push to come back', async () => {
    const other = imageOf(['layer'], { annotations: { fill: 'y'.repeat(400_000) } })

    expect((await registry.putManifest('a', 'other', other)).status).toBe(503)
  })

  it('goes on with the session when there are descriptors again', async () => {
    await registry.expectStatus(503, 'PATCH', session, { body: 'more' })
    refusal.code = undefined

    await registry.expectStatus(201, 'PUT', `${session}?digest=${digest('received, more')}`, { body: 'more' })
  })
})
