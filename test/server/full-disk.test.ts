import { describe, expect, it } from 'vitest'
import { type BlobStore, StorageFull } from '../../lambda/store/blobs.ts'
import { FullDisk } from '../../server/full-disk.ts'
import { Reserve } from '../../server/reserve.ts'
import { digest } from '../support/content.ts'
import { type Fault, withFault } from '../support/faults.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE_PERIOD, openRegistry } from '../support/registry.ts'
import { freshFolder } from './process.ts'

describe('a registry whose table finds no room until the reserve is released', () => {
  const LAYER = digest('layer')

  async function fullRegistry(folder: string, store: BlobStore = new MemoryBlobs()) {
    const reports: string[] = []
    const reserve = new Reserve(folder, message => reports.push(message))
    await reserve.restore()
    const fullDisk = new FullDisk(reserve)
    const fault: Fault = { calls: 0 }
    const full = new Error('')
    const table = withFault(new MemoryTable(), ['transact'], {
      get error() {
        return fault.error && !reserve.isReleased ? new StorageFull('full', { cause: full }) : undefined
      },
      get calls() {
        return fault.calls
      },
      set calls(count) {
        fault.calls = count
      },
    } as Fault)
    const registry = openRegistry({ table, store, around: app => fullDisk.protect(app) })
    const image = await registry.pushImage('a', 'latest')
    const fill = () => {
      fault.error = full
    }
    return { reserve, reports, fullDisk, registry, image, fill }
  }

  it.each([
    ['a tag', () => '/v2/a/manifests/latest'],
    ['a manifest', (manifest: string) => `/v2/a/manifests/${manifest}`],
  ])('deletes %s', async (_, target) => {
    using folder = freshFolder()
    const { registry, image, fill, reports } = await fullRegistry(folder.path)
    fill()

    await registry.expectStatus(202, 'DELETE', target(image.digest))

    await registry.expectStatus(404, 'GET', target(image.digest))
    expect(reports).toHaveLength(1)
  })

  it('collects garbage that is due, and restores the reserve', async () => {
    using folder = freshFolder()
    const { registry, reserve, fullDisk, fill } = await fullRegistry(folder.path)
    await registry.pushBlob('a', 'unreferenced')
    fill()
    for (let pass = 0; pass < 3; pass++) {
      registry.wait(2 * GRACE_PERIOD)
      expect(await fullDisk.collect(() => registry.collector.run())).toMatchObject({ failures: [] })
    }

    await registry.expectStatus(404, 'GET', `/v2/a/blobs/${digest('unreferenced')}`)
    expect(reserve.isReleased).toBe(false)
  })

  it('serves pulls and HEADs without the reserve', async () => {
    using folder = freshFolder()
    const { registry, reserve, fill } = await fullRegistry(folder.path)
    registry.wait(GRACE_PERIOD / 2) // long enough that a HEAD would update the time at which the blob was last relied on
    fill()

    for (const method of ['GET', 'HEAD'])
      for (const target of ['/v2/a/manifests/latest', `/v2/a/blobs/${LAYER}`])
        await registry.expectStatus(200, method, target)
    expect(reserve.isReleased).toBe(false)
  })

  it.each(['POST', 'PATCH', 'PUT'])('refuses %s after the reserve was released', async method => {
    using folder = freshFolder()
    const { registry, reserve } = await fullRegistry(folder.path)
    reserve.release()

    const { code } = await registry.expectStatus(507, method, '/v2/a/blobs/uploads/')

    expect(code).toBe('INSUFFICIENT_STORAGE')
  })

  it('answers 507 to a push without releasing the reserve for it', async () => {
    using folder = freshFolder()
    const { registry, reserve, fill } = await fullRegistry(folder.path)
    fill()

    await registry.expectStatus(507, 'POST', '/v2/a/blobs/uploads/')

    expect(reserve.isReleased).toBe(false)
  })

  describe('while a client is sending a chunk', () => {
    /** A chunk whose second half the client holds back. */
    function slowChunk() {
      const began = Promise.withResolvers<void>()
      const rest = Promise.withResolvers<void>()
      async function* body() {
        yield Buffer.from('first')
        began.resolve()
        await rest.promise
        yield Buffer.from('second')
      }
      return { body: body(), began: began.promise, sendRest: rest.resolve }
    }

    it('refuses the chunk when a DELETE needs the reserve, and the session stays as it was', async () => {
      using folder = freshFolder()
      const { registry, image, fill, reserve } = await fullRegistry(folder.path)
      const upload = await registry.beginUpload('a')
      const chunk = slowChunk()
      const patch = registry.request('PATCH', upload, { body: chunk.body })
      await chunk.began
      fill()

      await registry.expectStatus(202, 'DELETE', `/v2/a/manifests/${image.digest}`)

      expect(reserve.isReleased).toBe(true)
      expect(await patch).toMatchObject({ status: 507, code: 'INSUFFICIENT_STORAGE' })
      const { headers } = await registry.expectStatus(204, 'GET', upload)
      expect(headers.range).toBe('0-0') // as for a new session
      chunk.sendRest()
    })

    it('refuses the chunk when the collector needs the reserve', async () => {
      using folder = freshFolder()
      const { registry, fill, fullDisk } = await fullRegistry(folder.path)
      await registry.pushBlob('a', 'unreferenced')
      const upload = await registry.beginUpload('a')
      const chunk = slowChunk()
      const patch = registry.request('PATCH', upload, { body: chunk.body })
      await chunk.began
      fill()
      registry.wait(2 * GRACE_PERIOD)

      expect(await fullDisk.collect(() => registry.collector.run())).toMatchObject({ failures: [] })

      expect(await patch).toMatchObject({ status: 507 })
      chunk.sendRest()
    })

    it('releases the reserve after the last write of the chunk, and refuses other pushes until then', async () => {
      using folder = freshFolder()
      const memory = new MemoryBlobs()
      const lastWrite = Promise.withResolvers<void>()
      const reached = Promise.withResolvers<void>()
      let isSlow = false
      /** Still writes for a while after its source has failed. */
      const store = new Proxy(memory, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name)
          if (name !== 'append' || !isSlow) return typeof value === 'function' ? value.bind(target) : value
          return async (...parameters: Parameters<MemoryBlobs['append']>) => {
            try {
              return await memory.append(...parameters)
            } finally {
              reached.resolve()
              await lastWrite.promise
            }
          }
        },
      })
      const { registry, image, fill, reserve } = await fullRegistry(folder.path, store)
      const upload = await registry.beginUpload('a')
      const chunk = slowChunk()
      isSlow = true
      const patch = registry.request('PATCH', upload, { body: chunk.body })
      await chunk.began
      fill()
      const deletion = registry.request('DELETE', `/v2/a/manifests/${image.digest}`)
      await reached.promise

      await registry.expectStatus(507, 'POST', '/v2/a/blobs/uploads/')
      expect(reserve.isReleased).toBe(false)
      lastWrite.resolve()

      expect((await deletion).status).toBe(202)
      expect((await patch).status).toBe(507)
    })
  })
})
