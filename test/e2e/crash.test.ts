import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Content, type Image, image } from '../support/images.ts'
import { LocalServer } from '../support/local-server.ts'
import { RegistryClient } from '../support/registry-client.ts'

const KILLS = 50
const CLIENTS = 4

/** What the server has answered 201 for, and so may never lose. */
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
      await sleep(randomInt(20, 600))
      await server.kill('SIGKILL')
      await server.restart()
    }
    await sleep(500)
    pushing = false
    await Promise.all(clients)
  })

  afterAll(() => server?.stop())

  test('goes on taking pushes between the kills', () => {
    expect(acknowledged.images.length).toBeGreaterThan(KILLS)
  })

  test('gives back every acknowledged image, byte for byte', async () => {
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

  test('gives back every acknowledged blob, of finished images or not', async () => {
    const lost: string[] = []
    for (const { client, digest } of acknowledged.blobs)
      if ((await client.digestOfBlob(digest)) !== digest) lost.push(digest)
    expect(lost).toEqual([])
  })
})

/** Pushes an image of its own. A server that dies on the way is no fault: nothing was acknowledged. */
async function pushOne(client: RegistryClient, acknowledged: Acknowledged): Promise<void> {
  const tag = randomUUID()
  const pushed = image(tag, { layers: randomInt(1, 4), layerSize: randomInt(1, 200_000) })
  try {
    for (const blob of pushed.blobs) {
      await pushSomehow(client, blob)
      acknowledged.blobs.push({ client, digest: blob.digest })
    }
    await client.pushManifest(pushed.manifest, tag)
    acknowledged.images.push({ client, tag, image: pushed })
  } catch (error) {
    if (!isBrokenConnection(error)) throw error
    await sleep(50)
  }
}

/** Sometimes at once, sometimes in pieces. */
async function pushSomehow(client: RegistryClient, blob: Content): Promise<void> {
  if (randomInt(2) === 0) return client.pushBlob(blob)
  const middle = randomInt(blob.size)
  let upload = await client.openUpload()
  upload = await client.append(upload, blob.bytes.subarray(0, middle))
  upload = await client.append(upload, blob.bytes.subarray(middle))
  await client.closeUpload(upload, blob.digest)
}

/** An answer other than the expected one is a fault also in the middle of a crash. */
function isBrokenConnection(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^E(CONN|PIPE)/.test(String(error.code))
}
