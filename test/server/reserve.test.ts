import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { StorageFull } from '../../lambda/store/blobs.ts'
import { collectWithReserve, withReserve } from '../../server/full-disk.ts'
import { Reserve } from '../../server/reserve.ts'
import { digest } from '../support/content.ts'
import { type Fault, withFault } from '../support/faults.ts'
import { MemoryBlobs } from '../support/memory-blobs.ts'
import { MemoryTable } from '../support/memory-table.ts'
import { GRACE, openRegistry } from '../support/registry.ts'
import { freshFolder } from './process.ts'

/** A reserve that is there, and what it reports. */
async function madeReserve(folder: string) {
  const reports: string[] = []
  const reserve = new Reserve(folder, message => reports.push(message))
  await reserve.restore()
  return { reserve, reports, file: join(folder, 'reserve') }
}

describe('the reserve', () => {
  it('occupies room until it is released', async () => {
    using folder = freshFolder()
    const { reserve, file } = await madeReserve(folder.path)
    expect(statSync(file).size).toBeGreaterThan(1_000_000)

    expect(reserve.release()).toBe(true)

    expect([existsSync(file), reserve.isReleased]).toEqual([false, true])
  })

  it('says once that it was released', async () => {
    using folder = freshFolder()
    const { reserve, reports } = await madeReserve(folder.path)
    reserve.release()
    reserve.release()

    expect(reports).toEqual([expect.stringMatching(/^the disk is full: .*pushes are refused/)])
  })

  it('is made again when there is room', async () => {
    using folder = freshFolder()
    const { reserve, file } = await madeReserve(folder.path)
    reserve.release()
    await reserve.restore()

    expect([existsSync(file), reserve.isReleased]).toEqual([true, false])
  })

  it('is made whole where a crash has left half of it', async () => {
    using folder = freshFolder()
    writeFileSync(join(folder.path, 'reserve'), 'half')
    const { file } = await madeReserve(folder.path)

    expect(statSync(file).size).toBeGreaterThan(1_000_000)
  })

  it('cannot be released where there is none', () => {
    using folder = freshFolder()
    const reserve = new Reserve(folder.path, () => {})

    expect([reserve.release(), reserve.isReleased]).toEqual([false, false])
  })
})

describe('a registry whose table finds no room until the reserve is released', () => {
  const DIGEST = digest('layer')

  async function fullRegistry(folder: string) {
    const { reserve, reports } = await madeReserve(folder)
    const trouble: Fault = { calls: 0 }
    const full = new Error('')
    const table = withFault(new MemoryTable(), ['transact'], {
      get error() {
        return trouble.error && !reserve.isReleased ? new StorageFull('full', { cause: full }) : undefined
      },
      get calls() {
        return trouble.calls
      },
      set calls(count) {
        trouble.calls = count
      },
    } as Fault)
    const registry = openRegistry({
      table,
      store: new MemoryBlobs(),
      around: app => withReserve(app, reserve),
    })
    const image = await registry.pushImage('a', 'latest')
    const fill = () => {
      trouble.error = full
    }
    return { reserve, reports, registry, image, fill }
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

  it('collects what is due, and makes the reserve again', async () => {
    using folder = freshFolder()
    const { registry, reserve, fill } = await fullRegistry(folder.path)
    await registry.pushBlob('a', 'unreferenced')
    fill()
    for (let pass = 0; pass < 3; pass++) {
      registry.wait(2 * GRACE)
      const run = () => collectWithReserve(() => registry.collector.run(), reserve)
      expect(await run()).toMatchObject({ failures: [] })
    }

    await registry.expectStatus(404, 'GET', `/v2/a/blobs/${digest('unreferenced')}`)
    expect(reserve.isReleased).toBe(false)
  })

  it('serves pulls and HEADs without the reserve', async () => {
    using folder = freshFolder()
    const { registry, reserve, fill } = await fullRegistry(folder.path)
    registry.wait(GRACE / 2) // so long that a HEAD would note that the blob is relied on
    fill()

    for (const method of ['GET', 'HEAD'])
      for (const target of ['/v2/a/manifests/latest', `/v2/a/blobs/${DIGEST}`])
        await registry.expectStatus(200, method, target)
    expect(reserve.isReleased).toBe(false)
  })

  it.each(['POST', 'PATCH', 'PUT'])('keeps the released room from %s', async method => {
    using folder = freshFolder()
    const { registry, reserve } = await fullRegistry(folder.path)
    reserve.release()

    const answer = await registry.expectStatus(507, method, '/v2/a/blobs/uploads/')

    expect(answer.code).toBe('INSUFFICIENT_STORAGE')
  })

  it('answers 507 to a push without releasing the reserve for it', async () => {
    using folder = freshFolder()
    const { registry, reserve, fill } = await fullRegistry(folder.path)
    fill()

    await registry.expectStatus(507, 'POST', '/v2/a/blobs/uploads/')

    expect(reserve.isReleased).toBe(false)
  })
})
