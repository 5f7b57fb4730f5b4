import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { StoreBusy } from '../../lambda/store/blobs.ts'
import { FileBlobs } from '../../lambda/store/files/blobs.ts'
import { digest, imageOf } from '../support/content.ts'
import { openRegistry, type TestRegistry } from '../support/registry.ts'
import { TempDir } from '../support/temp-dir.ts'

/** The error code with which `open` fails; `undefined` when it succeeds. */
const openError = vi.hoisted(() => ({ code: undefined as string | undefined }))

vi.mock('node:fs/promises', async importOriginal => {
  const files = await importOriginal<typeof import('node:fs/promises')>()
  const open: typeof files.open = (...parameters) => {
    const { code } = openError
    if (code) return Promise.reject(Object.assign(new Error(`${code}: too many open files`), { code }))
    return files.open(...parameters)
  }
  return { ...files, open }
})

const LARGE = imageOf(['layer'], { annotations: { fill: 'x'.repeat(400_000) } })
const LAYER = digest('layer')

describe.each(['EMFILE', 'ENFILE'])('a registry without free file descriptors (%s)', code => {
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
    openError.code = code
  })
  afterEach(() => {
    openError.code = undefined
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
  ])('responds to %s with 503 and Retry-After', async (method, target, body) => {
    const { headers, exchange } = await registry.expectStatus(503, method, target(), { body })

    expect([headers['retry-after'], exchange.code]).toEqual(['1', 'UNAVAILABLE'])
    expect(exchange.fault).toBeInstanceOf(StoreBusy)
  })

  it('responds to a manifest push with 503', async () => {
    const other = imageOf(['layer'], { annotations: { fill: 'y'.repeat(400_000) } })

    expect((await registry.putManifest('a', 'other', other)).status).toBe(503)
  })

  it('continues the upload session when descriptors are free again', async () => {
    await registry.expectStatus(503, 'PATCH', session, { body: 'more' })
    openError.code = undefined

    await registry.expectStatus(201, 'PUT', `${session}?digest=${digest('received, more')}`, { body: 'more' })
  })
})
