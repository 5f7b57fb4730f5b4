import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ContainersStorage } from '../support/containers-storage.ts'
import { LocalServer } from '../support/local-server.ts'
import { randomBytesOf } from '../support/random-bytes.ts'
import { describeWith } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'

describeWith({ tools: ['buildah'], root: true, linux: true }, 'buildah', () => {
  const scratch = new TempDir()
  const buildah = new ContainersStorage('buildah')
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
  })

  afterAll(async () => {
    await buildah.stop()
    await server?.stop()
    scratch.remove()
  })

  test('an image built from scratch comes back with its files', async () => {
    const name = `${server.host}/buildah/built:1`
    const bytes = randomBytesOf('buildah', 500_000)
    const container = (await buildah.run('from', 'scratch')).trim()
    await buildah.run('add', container, scratch.write('file.bin', bytes), '/file.bin')
    await buildah.run('commit', '--rm', container, name)

    await buildah.run('push', '--tls-verify=false', name)
    await buildah.run('rmi', name)
    await buildah.run('pull', '--tls-verify=false', name)

    const again = (await buildah.run('from', name)).trim()
    const mounted = (await buildah.run('mount', again)).trim()
    const read = readFileSync(`${mounted}/file.bin`)
    await buildah.run('rm', again)
    expect(bytes.equals(read)).toBe(true)
  })
})
