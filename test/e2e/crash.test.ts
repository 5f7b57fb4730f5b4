import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Content, type Image, image } from '../support/images.ts'
import { LocalServer } from '../support/local-server.ts'
import { RegistryClient } from '../support/registry-client.ts'

const KILLS = 50
const CLIENTS = 4

/** The content for which the server has responded 201. */
interface Acknowledged {
  readonly blobs: { readonly client: RegistryClient; readonly digest: string }[]
  readonly images: { readonly client: RegistryClient; readonly tag: string; readonly image: Image }[]
}

describe(`a server that is killed ${KILLS} times while clients push`, () => {
  const acknowledged: Acknowledged = { blobs: [], images: [] }
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
    let pushing = true
    const clients = Array.from({ length: CLIENTS }, async (_, at) => {
      const client = new RegistryClient(server.url, `crash/client-${at}`)
      while (pushing) await pushOne(client, acknowledged)
    })
    for (let kill = 0; kill < KILLS; kill++) {
      // One more image at least, so that a slow machine does not kill a server that has done nothing.
      const before = acknowledged.images.length
      while (acknowledged.images.length === before) await sleep(5)
      await sleep(randomInt(300))
      await server.kill('SIGKILL')
      await server.restart()
    }
    await sleep(500)
    pushing = false
    await Promise.all(clients)
  })

  afterAll(() => server?.stop())

  test('accepts pushes between the kills', () => {
    expect(acknowledged.images.length).toBeGreaterThanOrEqual(KILLS)
  })

  test('serves every acknowledged image, byte for byte', async () => {
    const lost: string[] = []
    for (const { client, image } of acknowledged.images) lost.push(...(await client.missing(image)))
    expect(lost).toEqual([])
  })

  test('finds every acknowledged image by its tag', async () => {
    const lost: string[] = []
    for (const { client, tag, image } of acknowledged.images) {
      const { bytes, mediaType } = image.manifest
      if (!bytes.equals(await client.pullManifest(tag, mediaType))) lost.push(tag)
    }
    expect(lost).toEqual([])
  })

  test('serves every acknowledged blob, also of unfinished images', async () => {
    const lost: string[] = []
    for (const { client, digest } of acknowledged.blobs)
      if ((await client.digestOfBlob(digest)) !== digest) lost.push(digest)
    expect(lost).toEqual([])
  })
})

/** Pushes a new image. The server may be killed meanwhile: then the push was not acknowledged. */
async function pushOne(client: RegistryClient, acknowledged: Acknowledged): Promise<void> {
  const tag = randomUUID()
  const pushed = image(tag, { layers: randomInt(1, 4), layerSize: randomInt(1, 200_000) })
  try {
    for (const blob of pushed.blobs) {
      await pushRandomly(client, blob)
      acknowledged.blobs.push({ client, digest: blob.digest })
    }
    await client.pushManifest(pushed.manifest, tag)
    acknowledged.images.push({ client, tag, image: pushed })
  } catch (error) {
    if (!isBrokenConnection(error)) throw error
    await sleep(50)
  }
}

/** Pushes a blob in one request or in chunks. */
async function pushRandomly(client: RegistryClient, blob: Content): Promise<void> {
  if (randomInt(2) === 0) return client.pushBlob(blob)
  const middle = randomInt(blob.size)
  let upload = await client.openUpload()
  upload = await client.append(upload, blob.bytes.subarray(0, middle))
  upload = await client.append(upload, blob.bytes.subarray(middle))
  await client.closeUpload(upload, blob.digest)
}

/** Only a broken connection is expected during a crash. An unexpected response is a fault. */
function isBrokenConnection(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^E(CONN|PIPE)/.test(String(error.code))
}
