import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LocalServer } from '../support/local-server.ts'
import { randomBatches } from '../support/random-bytes.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { describeWith } from '../support/requirements.ts'

const CLIENTS = 5
const SIZE = 1 << 30
const LIMIT_MB = 200

describeWith({ linux: true }, `${CLIENTS} clients with a layer of 1 GiB each, at once`, () => {
  const digests: string[] = []
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
  })

  afterAll(() => server?.stop())

  const clients = () =>
    Array.from({ length: CLIENTS }, (_, at) => new RegistryClient(server.url, `memory/client-${at}`))

  test(`push with the server below ${LIMIT_MB} MB`, async () => {
    digests.push(...(await Promise.all(clients().map(pushLayer))))

    expect(peakMegabytes(server.pid)).toBeLessThan(LIMIT_MB)
  })

  test(`pull with the server below ${LIMIT_MB} MB`, async () => {
    const pulled = await Promise.all(clients().map((client, at) => client.digestOfBlob(digests[at] ?? '')))

    expect(pulled).toEqual(digests)
    expect(peakMegabytes(server.pid)).toBeLessThan(LIMIT_MB)
  })
})

/** Streams a layer in one PATCH of unknown length, as Docker does. @returns its digest */
async function pushLayer(client: RegistryClient): Promise<string> {
  const hash = createHash('sha256')
  function* hashed() {
    for (const batch of randomBatches(client.repository, SIZE)) {
      hash.update(batch)
      yield batch
    }
  }
  const upload = await client.append(await client.openUpload(), hashed())
  const digest = `sha256:${hash.digest('hex')}`
  await client.closeUpload(upload, digest)
  return digest
}

/** Peak memory of a process, from the kernel's high-water mark. */
function peakMegabytes(pid: number): number {
  const kibibytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return (Number(kibibytes) * 1024) / 1e6
}
