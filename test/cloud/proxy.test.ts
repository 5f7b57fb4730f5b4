import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { ContainersStorage } from '../support/containers-storage.ts'
import { Dockerd } from '../support/dockerd.ts'
import { writeLargeImage } from '../support/large-image.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { digestOf, randomBatches } from '../support/random-bytes.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { findTool } from '../support/requirements.ts'
import { writeTar } from '../support/tar.ts'
import { TempDir } from '../support/temp-dir.ts'
import { Cloud } from './emulator/cloud.ts'
import { trafficOf } from './emulator/traffic.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20
const SIZE = 300 * MiB
/** Manifests, configs and tokens come by the API. A layer does not. */
const SMALL = MiB / 4

describeInCloud(
  {},
  'a layer that is streamed in one PATCH, through longshore proxy and without a relay',
  () => {
    let scratch: TempDir
    let cloud: Cloud
    let proxy: ProxyProcess
    beforeAll(async () => {
      cloud = await Cloud.start()
    })
    afterAll(() => cloud?.stop())
    beforeEach(async () => {
      scratch = new TempDir('longshore-large-')
      proxy = await ProxyProcess.start(cloud.origin)
      cloud.cloudfront.requests.splice(0)
      cloud.gateway.bodies.splice(0)
    })
    afterEach(async () => {
      expect(proxy?.temporaryFiles).toEqual([])
      await proxy?.stop()
      scratch.remove()
    })

    /** Not one byte of the layer came to our compute. */
    function expectDirect(size: number): void {
      const { api, bucket, relay } = trafficOf(cloud.cloudfront.requests)
      expect(bucket.bytesIn).toBeGreaterThanOrEqual(size)
      expect(api.bytesIn).toBeLessThan(SMALL)
      expect(Math.max(...cloud.gateway.bodies)).toBeLessThan(SMALL)
      expect(relay.requests).toBe(0)
    }

    test('goes directly to the bucket when it has 1 GiB', async () => {
      const size = 1024 * MiB
      const client = new RegistryClient(`http://${proxy.host}`, 'raw/large')
      const digest = digestOf(randomBatches('raw', size))

      const upload = await client.append(await client.openUpload(), randomBatches('raw', size))
      await client.closeUpload(upload, digest)

      await cloud.events.settled()
      const pulled = await fetch(`${cloud.origin}/v2/raw/large/blobs/${digest}`, { method: 'HEAD' })
      expect([pulled.status, pulled.headers.get('content-length')]).toEqual([200, String(size)])
      expectDirect(size)
    })

    test('needs no proxy when longshore push sends it from an archive', async () => {
      const path = scratch.join('large.tar')
      const { digest } = writeLargeImage(path, '1', 'push', SIZE)
      const name = `${cloud.host}/push/large:1`

      const printed = await run(process.execPath, ['cli/longshore.js', 'push', path, name], {
        env: { DOCKER_CONFIG: scratch.folder('config') },
      })

      expect(printed).toContain(`pushed ${name}@${digest}`)
      expectDirect(SIZE)
    })

    describeInCloud({ tools: ['docker', 'dockerd'], root: true, linux: true }, 'by Docker Engine', () => {
      test('comes back the same', async () => {
        await using engine = await Dockerd.start()
        const name = `${proxy.host}/docker/large:1`
        const file = { name: 'file.bin', size: SIZE, content: randomBatches(randomUUID(), SIZE) }
        await engine.docker('import', writeTar(scratch.join('import.tar'), [file]), name)
        const id = await engine.imageId(name)

        await engine.pushAndPullBack(name)

        expect(await engine.imageId(name)).toBe(id)
        expectDirect(SIZE)
      })
    })

    describeInCloud({ tools: ['skopeo'] }, 'by skopeo', () => {
      test('keeps its digest', async () => {
        const path = scratch.join('large.tar')
        const { digest } = writeLargeImage(path, '1', 'skopeo', SIZE)
        const name = `docker://${proxy.host}/skopeo/large:1`
        const flags = ['--insecure-policy', 'copy', '--dest-tls-verify=false', '--preserve-digests']

        await run('skopeo', [...flags, `oci-archive:${path}:1`, name])

        const found = await run('skopeo', ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', name])
        expect(found.trim()).toBe(digest)
        expectDirect(SIZE)
      })
    })

    for (const command of ['podman', 'buildah'] as const)
      describeInCloud({ tools: [command], root: true, linux: true }, `by ${command}`, () => {
        test('comes back the same', async () => {
          await using storage = new ContainersStorage(command)
          const path = scratch.join('large.tar')
          writeLargeImage(path, '1', command, SIZE)
          const name = `${proxy.host}/${command}/large:1`
          const id = (await storage.run('pull', '--quiet', `oci-archive:${path}`)).trim()
          await storage.run('tag', id, name)

          await storage.run('push', '--tls-verify=false', name)
          await storage.run('rmi', '--all', '--force')
          const pulled = (await storage.run('pull', '--quiet', '--tls-verify=false', name)).trim()

          expect(pulled).toBe(id)
          expectDirect(SIZE)
        })
      })

    describeInCloud({ tools: ['crane'] }, 'by crane', () => {
      test('keeps its digest', async () => {
        const path = scratch.join('large.tar')
        const { digest } = writeLargeImage(path, '1', 'crane', SIZE)
        const layout = scratch.folder('layout')
        await run('tar', ['-xf', path, '-C', layout])
        const crane = (...args: string[]) => run(findTool('crane') ?? 'crane', args)
        const name = `${proxy.host}/crane/large:1`

        await crane('push', '--insecure', layout, name)

        expect((await crane('digest', '--insecure', name)).trim()).toBe(digest)
        expectDirect(SIZE)
      })
    })
  },
)
