import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { Containerd } from '../support/containerd.ts'
import { ContainersStorage } from '../support/containers-storage.ts'
import { Dockerd } from '../support/dockerd.ts'
import { writeLargeImage } from '../support/large-image.ts'
import { randomBatches } from '../support/random-bytes.ts'
import { findTool } from '../support/requirements.ts'
import { writeTar } from '../support/tar.ts'
import { TempDir } from '../support/temp-dir.ts'
import { Cloud } from './emulator/cloud.ts'
import { trafficOf } from './emulator/traffic.ts'
import { send } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20
/** Maximum size of a request through API Gateway and Lambda. */
const MAX_API_BODY = 4 * MiB

const traffic = (cloud: Cloud) => trafficOf(cloud.cloudfront.requests)

describeInCloud({}, 'a layer that is too large for Lambda', () => {
  let scratch: TempDir
  let cloud: Cloud
  beforeEach(() => {
    scratch = new TempDir('longshore-large-')
  })
  afterEach(async () => {
    await cloud?.stop()
    scratch.remove()
  })

  describeInCloud({ tools: ['containerd', 'ctr'], root: true, linux: true }, 'sent in one PUT by ctr', () => {
    let containerd: Containerd
    beforeAll(async () => {
      containerd = await Containerd.start()
    })
    afterAll(() => containerd?.stop())

    test.each(['s3', 'edge'] as const)('bypasses API and Lambda on push and pull (pull: %s)', async pull => {
      cloud = await Cloud.start({ pull })
      const size = pull === 's3' ? 1024 * MiB : 64 * MiB
      const path = scratch.join('large.tar')
      const { layer } = writeLargeImage(path, '1', pull, size)
      const name = `${cloud.host}/ctr/large:1`
      await containerd.images('import', '--base-name', `${cloud.host}/ctr/large`, '--no-unpack', path)

      await containerd.images('push', '--plain-http', name)
      await cloud.events.settled()
      await containerd.images('rm', '--sync', name)
      await containerd.images('pull', '--plain-http', '--snapshotter', 'native', name)

      expect(await containerd.content('ls', '-q')).toContain(layer.digest)
      await containerd.images('rm', '--sync', name)
      const { api, bucket, relay } = traffic(cloud)
      expect(bucket.bytesIn).toBe(layer.size)
      if (pull === 'edge') expect(bucket.bytesOut).toBeGreaterThanOrEqual(layer.size)
      else expect(bucket.bytesOut).toBe(0)
      expect(Math.max(...cloud.gateway.bodies)).toBeLessThan(MAX_API_BODY)
      expect(Math.max(...cloud.api.payloads, ...cloud.s3Event.payloads)).toBeLessThan(MAX_API_BODY)
      expect(api.bytesIn).toBeLessThan(MAX_API_BODY)
      expect(api.bytesOut).toBeLessThan(MAX_API_BODY)
      expect(relay.requests).toBe(0)
      expect(cloud.events.keys).toHaveLength(1)
    })
  })

  describe('streamed in one PATCH to a relay that is stopped', () => {
    const SIZE = 300 * MiB
    beforeEach(async () => {
      cloud = await Cloud.start({ relay: 'auto', bootMs: 2_000 })
    })

    function expectUploadByRelay(): void {
      expect(cloud.ec2.instance.starts).toBe(1)
      expect(traffic(cloud).relay.bytesIn).toBeGreaterThanOrEqual(SIZE)
      expect(Math.max(...cloud.gateway.bodies)).toBeLessThan(MAX_API_BODY)
    }

    describeInCloud({ tools: ['docker', 'dockerd'], root: true, linux: true }, 'by Docker Engine', () => {
      test('starts the relay, is uploaded through it and pulled unchanged', async () => {
        await using engine = await Dockerd.start()
        const name = `${cloud.host}/docker/large:1`
        const file = { name: 'file.bin', size: SIZE, content: randomBatches(randomUUID(), SIZE) }
        await engine.docker('import', writeTar(scratch.join('import.tar'), [file]), name)
        const id = await engine.imageId(name)

        await engine.pushAndPullBack(name)

        expect(await engine.imageId(name)).toBe(id)
        expectUploadByRelay()
      })
    })

    describeInCloud({ tools: ['skopeo'] }, 'by skopeo', () => {
      test('starts the relay, is uploaded through it and pulled unchanged', async () => {
        const path = scratch.join('large.tar')
        const { digest } = writeLargeImage(path, '1', 'skopeo', SIZE)
        const name = `docker://${cloud.host}/skopeo/large:1`
        const copy = (...args: string[]) =>
          run('skopeo', [
            '--insecure-policy',
            'copy',
            '--src-tls-verify=false',
            '--dest-tls-verify=false',
            '--preserve-digests',
            ...args,
          ])

        await copy(`oci-archive:${path}:1`, name)
        await copy(name, `dir:${scratch.join('back')}`)

        const inspected = await run('skopeo', [
          'inspect',
          '--tls-verify=false',
          '--format',
          '{{.Digest}}',
          name,
        ])
        expect(inspected.trim()).toBe(digest)
        expectUploadByRelay()
      })
    })

    describeInCloud({ tools: ['podman'], root: true, linux: true }, 'by podman', () => {
      test('starts the relay, is uploaded through it and pulled unchanged', async () => {
        await using podman = new ContainersStorage('podman')
        const path = scratch.join('large.tar')
        writeLargeImage(path, '1', 'podman', SIZE)
        const name = `${cloud.host}/podman/large:1`
        const loaded = (await podman.run('pull', '--quiet', `oci-archive:${path}`)).trim()
        const layers = async () =>
          JSON.parse(await podman.run('image', 'inspect', name))[0].RootFS.Layers as string[]
        await podman.run('tag', loaded, name)
        const before = await layers()

        await podman.run('push', '--tls-verify=false', name)
        await podman.run('rmi', '--all', '--force')
        await podman.run('pull', '--tls-verify=false', name)

        expect(await layers()).toEqual(before)
        expectUploadByRelay()
      })
    })
  })

  test('can be sent in chunks of three times the minimum size that the POST returns', async () => {
    cloud = await Cloud.start()
    const { headers } = await send(cloud, 'POST', '/v2/large/blobs/uploads/')
    const minimum = Number(headers['oci-chunk-min-length'])
    expect(minimum).toBe(MiB)

    const streamed = await send(cloud, 'PATCH', headers.location ?? '', { body: Buffer.alloc(3 * minimum) })

    expect([streamed.status, streamed.headers.range]).toEqual([202, `0-${3 * minimum - 1}`])
  })

  describeInCloud({ tools: ['regctl'] }, 'sent in chunks by regctl', () => {
    test('is pulled unchanged, without relay and direct upload', async () => {
      cloud = await Cloud.start()
      const path = scratch.join('large.tar')
      const { digest, layer } = writeLargeImage(path, '1', 'regctl', 37 * MiB)
      const layout = scratch.folder('layout')
      await run('tar', ['-xf', path, '-C', layout])
      const regctl = (...args: string[]) =>
        run(findTool('regctl') ?? 'regctl', args, { env: { REGCTL_CONFIG: scratch.join('config.json') } })
      const chunks = ['--blob-max', String(MiB), '--blob-chunk', String(MAX_API_BODY)]
      await regctl('registry', 'set', cloud.host, '--tls', 'disabled', '--skip-check', ...chunks)
      const name = `${cloud.host}/regctl/large:1`

      await regctl('image', 'copy', `ocidir://${layout}:1`, name)

      expect((await regctl('image', 'digest', name)).trim()).toBe(digest)
      const blob = await run('bash', [
        '-c',
        `curl -sL ${cloud.origin}/v2/regctl/large/blobs/${layer.digest} | sha256sum | cut -d' ' -f1`,
      ])
      expect(`sha256:${blob.trim()}`).toBe(layer.digest)
      expect(cloud.gateway.bodies.filter(size => size === MAX_API_BODY).length).toBe(
        Math.floor(layer.size / MAX_API_BODY),
      )
      expect(traffic(cloud)).toMatchObject({ bucket: { bytesIn: 0 }, relay: { requests: 0 } })
    })
  })
})
