import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { type ReceivedResponse, send } from '../support/http-client.ts'
import { image } from '../support/images.ts'
import { LocalServer } from '../support/local-server.ts'
import { randomBatches, randomBytesOf } from '../support/random-bytes.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

const MIB = 1 << 20

describeWith({ tools: ['mount', 'umount'], root: true, linux: true }, 'a server whose disk is full', () => {
  const before = image('full-disk-before')
  let scratch: TempDir
  let disk: string
  let ballast: string
  let server: LocalServer
  let client: RegistryClient

  beforeEach(async () => {
    scratch = new TempDir()
    disk = scratch.folder('disk')
    await run('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk])
    ballast = scratch.write('disk/ballast', Buffer.alloc(16 * MIB))
    server = await LocalServer.start({ data: scratch.join('disk', 'data') })
    client = new RegistryClient(server.url, 'full')
    await client.pushImage(before, 'before')
  })

  afterEach(async () => {
    await server?.stop()
    await run('umount', [disk])
    scratch.remove()
  })

  /** Appends to an upload until the registry refuses. */
  async function fill(): Promise<{ upload: string; refusal: ReceivedResponse }> {
    const batch = randomBytesOf('full-disk', 4 * MIB)
    let upload = await client.openUpload()
    for (let sent = 0; sent < 16; sent++) {
      const response = await send(upload, { method: 'PATCH', body: batch })
      if (response.status !== 202) return { upload, refusal: response }
      upload = new URL(response.headers.location ?? '', server.url).href
    }
    throw new Error('the disk did not become full')
  }

  test('answers an upload with 507 and an error document', async () => {
    const { refusal } = await fill()

    expect(refusal.status).toBe(507)
    expect(JSON.parse(refusal.bytes.toString()).errors).toHaveLength(1)
  })

  test('serves stored images', async () => {
    await fill()

    expect(await client.missing(before)).toEqual([])
  })

  test('accepts pushes again when there is room', async () => {
    const { upload } = await fill()
    const after = image('full-disk-after', { layers: 1, layerSize: 6 * MIB })

    rmSync(ballast)
    await client.pushImage(after, 'after')

    expect(await client.missing(after)).toEqual([])
    expect((await send(upload, { method: 'DELETE' })).status).toBe(204)
  })

  test('continues the refused upload when there is room', async () => {
    const { upload } = await fill()
    const offset = await client.offset(upload)

    rmSync(ballast)
    const more = randomBytesOf('full-disk-more', MIB)
    const next = await client.append(upload, more)

    expect(await client.offset(next)).toBe(offset + more.length)
  })

  /** Fills the disk until no byte is free. */
  function fillToTheLastByte(): void {
    const file = openSync(join(disk, 'last-bytes'), 'w')
    try {
      for (;;) if (writeSync(file, Buffer.alloc(64 * 1024)) === 0) throw new Error('nothing was written')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      closeSync(file)
    }
    expect(statfsSync(disk).bavail).toBe(0)
  }

  const head = (digest: string) => send(`${server.url}/v2/full/blobs/${digest}`, { method: 'HEAD' })
  const deleteImage = () =>
    send(`${server.url}/v2/full/manifests/${before.manifest.digest}`, { method: 'DELETE' })

  test('answers pulls and HEADs at 0 bytes free', async () => {
    fillToTheLastByte()

    expect(await client.missing(before)).toEqual([])
    for (const { digest } of before.blobs) expect((await head(digest)).status).toBe(200)
  })

  test('starts again at 0 bytes free, serves pulls and logs a warning', async () => {
    fillToTheLastByte()

    await server.kill('SIGKILL')
    await server.restart()

    expect(await client.missing(before)).toEqual([])
    await expect.poll(() => server.logs).toContain('the disk of the data folder is full')
  })

  test('starts at 0 bytes free without a reserve, and serves pulls', async () => {
    await server.kill('SIGTERM')
    rmSync(join(disk, 'data', 'reserve'))
    fillToTheLastByte()

    await server.restart()

    expect(await client.missing(before)).toEqual([])
  })

  test('deletes at 0 bytes free, also after a restart', async () => {
    fillToTheLastByte()
    await server.restart()

    expect((await deleteImage()).status).toBe(202)

    const tag = await send(`${server.url}/v2/full/manifests/before`)
    expect(tag.status).toBe(404)
  })

  test('keeps the reserve from uploads that were in progress when it was released', async () => {
    const upload = await client.openUpload()
    const rest = Promise.withResolvers<void>()
    async function* slowLayer() {
      yield* randomBatches('full-disk-slow', MIB)
      await rest.promise
      yield* randomBatches('full-disk-rest', 4 * MIB) // the reserve would have room for it
    }
    const slowUpload = send(upload, { method: 'PATCH', body: slowLayer() })
    // The server writes to the disk in batches of 1 MiB.
    await expect.poll(() => draftBytes()).toBeGreaterThanOrEqual(MIB)
    fillToTheLastByte()
    const wasFull = await deleteImage()
    rest.resolve()

    expect(wasFull.status).toBe(202)
    expect((await slowUpload).status).toBe(507)
    expect(statfsSync(disk).bavail * statfsSync(disk).bsize).toBeGreaterThan(7 * MIB)
  })

  /** The bytes of uploads in progress on the disk. */
  function draftBytes(): number {
    const drafts = join(disk, 'data', 'drafts')
    return readdirSync(drafts).reduce((sum, name) => sum + statSync(join(drafts, name)).size, 0)
  }

  test('frees the room of deleted images, restores its reserve and accepts pushes', async () => {
    await server.stop()
    server = await LocalServer.start({ data: join(disk, 'data'), args: ['--grace', '1s'] })
    client = new RegistryClient(server.url, 'full')
    const large = image('full-disk-large', { layers: 1, layerSize: 6 * MIB })
    await client.pushImage(large, 'large')
    await fill()
    fillToTheLastByte()
    const digests = [before, large].map(({ manifest }) => manifest.digest)
    for (const digest of digests)
      expect((await send(`${server.url}/v2/full/manifests/${digest}`, { method: 'DELETE' })).status).toBe(202)

    // Only 14 MiB were pushed and 8 MiB belong to the reserve, so the operator frees some room too.
    rmSync(ballast)
    await expect.poll(() => existsSync(join(disk, 'data', 'reserve')), { timeout: 60_000 }).toBe(true)
    await client.pushImage(image('full-disk-next'), 'next')
  })
})
