import { afterAll, beforeAll, expect, test } from 'vitest'
import { ContainersStorage } from '../support/containers-storage.ts'
import { writeDockerArchive } from '../support/docker-archive.ts'
import { LocalServer } from '../support/local-server.ts'
import { randomBytesOf } from '../support/random-bytes.ts'
import { describeWith } from '../support/requirements.ts'
import { tar, tarFile } from '../support/tar.ts'
import { TempDir } from '../support/temp-dir.ts'

describeWith({ tools: ['podman'], root: true, linux: true }, 'podman', () => {
  const scratch = new TempDir()
  const podman = new ContainersStorage('podman')
  let server: LocalServer

  beforeAll(async () => {
    server = await LocalServer.start()
  })

  afterAll(async () => {
    await podman.stop()
    await server?.stop()
    scratch.remove()
  })

  async function loadImage(name: string): Promise<void> {
    const layers = [0, 1].map(at => tar(tarFile(`${at}.bin`, randomBytesOf(`${name}-${at}`, 200_000))))
    writeDockerArchive(scratch.join('load.tar'), name, layers)
    await podman.run('load', '-i', scratch.join('load.tar'))
  }

  /** The digests of the uncompressed layers, which a conversion of the manifest does not change. */
  async function layersOf(name: string): Promise<string[]> {
    return JSON.parse(await podman.run('image', 'inspect', name))[0].RootFS.Layers
  }

  test.each(['oci', 'v2s2'])(
    'an image pushed as %s, compressed on the way, comes back the same',
    async format => {
      const name = `${server.host}/podman/${format}:1`
      await loadImage(name)
      const pushed = await layersOf(name)

      await podman.run('push', '--tls-verify=false', '--format', format, name)
      await podman.run('rmi', name)
      await podman.run('pull', '--tls-verify=false', name)

      expect(await layersOf(name)).toEqual(pushed)
    },
  )

  test('a second push with zstd instead of gzip comes back the same', async () => {
    const name = `${server.host}/podman/recompressed:1`
    await loadImage(name)
    const pushed = await layersOf(name)
    await podman.run('push', '--tls-verify=false', name)

    await podman.run('push', '--tls-verify=false', '--compression-format', 'zstd', name)
    await podman.run('rmi', name)
    await podman.run('pull', '--tls-verify=false', name)

    expect(await layersOf(name)).toEqual(pushed)
  })

  test('a manifest list is pushed with the images under it', async () => {
    const list = `${server.host}/podman/list:1`
    await loadImage(`${server.host}/podman/member:1`)
    await podman.run('manifest', 'create', list)
    await podman.run('manifest', 'add', list, `containers-storage:${server.host}/podman/member:1`)

    await podman.run('manifest', 'push', '--all', '--tls-verify=false', list, `docker://${list}`)

    const read = await fetch(`${server.url}/v2/podman/list/manifests/1`, {
      headers: { accept: 'application/vnd.oci.image.index.v1+json' },
    })
    const index = (await read.json()) as { manifests: unknown[] }
    expect(index.manifests).toHaveLength(1)
  })
})
