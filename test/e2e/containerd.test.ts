import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { Containerd } from '../support/containerd.ts'
import { image, multiArchitecture } from '../support/images.ts'
import { missingFrom } from '../support/layout-reader.ts'
import { LocalServer } from '../support/local-server.ts'
import { writeLayoutArchive } from '../support/oci-layout.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

describeWith({ tools: ['containerd', 'ctr'], root: true, linux: true }, "containerd's ctr", () => {
  const scratch = new TempDir()
  let containerd: Containerd
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
    containerd = await Containerd.start()
  })

  afterAll(async () => {
    await containerd?.stop()
    await server?.stop()
    scratch.remove()
  })

  /** Exports an image of containerd into a folder in OCI layout. */
  async function exported(name: string): Promise<string> {
    const folder = scratch.folder(`exported-${randomUUID()}`)
    await containerd.images('export', '--all-platforms', `${folder}.tar`, name)
    await run('tar', ['-xf', `${folder}.tar`, '-C', folder])
    return folder
  }

  test('an image comes back byte for byte', async () => {
    const plain = image('ctr')
    const name = `${server.host}/ctr/plain:1`
    const archive = writeLayoutArchive(scratch.join('plain.tar'), { 1: plain })
    await containerd.images('import', '--base-name', `${server.host}/ctr/plain`, '--no-unpack', archive)

    await containerd.images('push', '--plain-http', name)
    await containerd.images('rm', '--sync', name)
    await containerd.images('pull', '--plain-http', '--snapshotter', 'native', name)

    expect(missingFrom(await exported(name), plain)).toEqual([])
  })

  test('an index comes back with the images of every platform', async () => {
    const index = multiArchitecture('ctr')
    const name = `${server.host}/ctr/index:1`
    const archive = writeLayoutArchive(scratch.join('index.tar'), { 1: index })
    await containerd.images(
      'import',
      '--base-name',
      `${server.host}/ctr/index`,
      '--no-unpack',
      '--all-platforms',
      archive,
    )

    await containerd.images('push', '--plain-http', name)
    await containerd.images('rm', '--sync', name)
    await containerd.images('pull', '--plain-http', '--all-platforms', '--snapshotter', 'native', name)

    expect(missingFrom(await exported(name), index)).toEqual([])
  })

  test('a second push under the same name changes nothing', async () => {
    const plain = image('ctr-again')
    const name = `${server.host}/ctr/again:1`
    const archive = writeLayoutArchive(scratch.join('again.tar'), { 1: plain })
    await containerd.images('import', '--base-name', `${server.host}/ctr/again`, '--no-unpack', archive)
    await containerd.images('push', '--plain-http', name)

    await containerd.images('push', '--plain-http', name)

    const read = await fetch(`${server.url}/v2/ctr/again/manifests/1`, {
      headers: { accept: plain.manifest.mediaType },
    })
    expect(read.headers.get('docker-content-digest')).toBe(plain.manifest.digest)
  })
})
