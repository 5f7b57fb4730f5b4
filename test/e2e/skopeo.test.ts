import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { image, multiArchitecture } from '../support/images.ts'
import { missingFrom } from '../support/layout-reader.ts'
import { LocalServer } from '../support/local-server.ts'
import { writeLayout } from '../support/oci-layout.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

describeWith({ tools: ['skopeo'] }, 'skopeo', () => {
  const scratch = new TempDir()
  const plain = image('skopeo')
  const index = multiArchitecture('skopeo')
  let layout: string
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
    layout = writeLayout(scratch.join('in'), { plain, index })
  })

  afterAll(async () => {
    await server?.stop()
    scratch.remove()
  })

  const skopeo = (...args: string[]) => run('skopeo', ['--insecure-policy', ...args])
  const copy = (source: string, target: string, ...flags: string[]) =>
    skopeo('copy', '--src-tls-verify=false', '--dest-tls-verify=false', ...flags, source, target)
  const inspect = (name: string, ...flags: string[]) =>
    skopeo('inspect', '--tls-verify=false', ...flags, name)

  test('an image in OCI layout comes back byte for byte', async () => {
    const name = `docker://${server.host}/skopeo/plain:1`

    await copy(`oci:${layout}:plain`, name)
    await copy(name, `oci:${scratch.join('plain')}:plain`)

    expect(missingFrom(scratch.join('plain'), plain)).toEqual([])
  })

  test('an index comes back with every image under it', async () => {
    const name = `docker://${server.host}/skopeo/index:1`

    await copy(`oci:${layout}:index`, name, '--all')
    await copy(name, `oci:${scratch.join('index')}:index`, '--all')

    expect(missingFrom(scratch.join('index'), index)).toEqual([])
  })

  test('inspect shows the digest, the tags and the layers', async () => {
    const name = `docker://${server.host}/skopeo/inspected`
    await copy(`oci:${layout}:plain`, `${name}:b`)
    await copy(`oci:${layout}:plain`, `${name}:a`)

    const shown = JSON.parse(await inspect(`${name}:a`))

    expect(shown).toMatchObject({ Digest: plain.manifest.digest, RepoTags: ['a', 'b'] })
    expect(shown.Layers).toEqual(plain.blobs.slice(1).map(({ digest }) => digest))
  })

  test('an image is copied from one repository to another', async () => {
    const source = `docker://${server.host}/skopeo/source:1`
    const target = `docker://${server.host}/skopeo/target:1`
    await copy(`oci:${layout}:plain`, source)

    await copy(source, target)

    expect(JSON.parse(await inspect(target)).Digest).toBe(plain.manifest.digest)
  })

  test('an image is converted to Docker schema 2 on the way', async () => {
    const name = `docker://${server.host}/skopeo/schema2:1`

    await copy(`oci:${layout}:plain`, name, '--format', 'v2s2')

    const raw = JSON.parse(await inspect(name, '--raw'))
    expect(raw.mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json')
  })

  test('a deleted image is gone', async () => {
    const name = `docker://${server.host}/skopeo/deleted:1`
    await copy(`oci:${layout}:plain`, name)

    await skopeo('delete', '--tls-verify=false', name)

    await expect(inspect(name)).rejects.toThrow(/manifest unknown/i)
  })
})
