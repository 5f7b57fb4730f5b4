import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from '../support/command.ts'
import { Containerd } from '../support/containerd.ts'
import { image } from '../support/images.ts'
import { writeLargeImage } from '../support/large-image.ts'
import { writeLayout } from '../support/oci-layout.ts'
import { randomBytesOf } from '../support/random-bytes.ts'
import { findTool } from '../support/requirements.ts'
import { TempDir } from '../support/temp-dir.ts'
import { Cloud } from './emulator/cloud.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20
const OFFLINE = ['--allow-http-registry', '--trusted-root', 'root.json', '--signing-config', 'signing.json']

/** After each test, no request was sent to EC2. */
describeInCloud({}, 'a stopped relay is not started by', () => {
  const scratch = new TempDir('longshore-asleep-')
  let cloud: Cloud
  beforeAll(async () => {
    cloud = await Cloud.start({ relay: 'auto' })
  })
  afterAll(async () => {
    await cloud?.stop()
    scratch.remove()
  })
  const tool = (name: string, ...args: string[]) =>
    run(findTool(name) ?? name, args, {
      cwd: scratch.path,
      env: { HOME: scratch.path, COSIGN_PASSWORD: 'of the test' },
    })

  describeInCloud({ tools: ['crane'] }, 'crane', () => {
    it('with an image whose layer is 2 MiB', async () => {
      const name = `${cloud.host}/crane/small:1`
      const pushed = image('asleep', { layers: 1, layerSize: 2 * MiB })
      await tool('crane', 'push', writeLayout(scratch.join('small'), { 1: pushed }), name)

      expect(cloud.ec2.actions).toEqual([])
    })
  })

  describeInCloud({ tools: ['cosign', 'crane'] }, 'cosign', () => {
    it('with a signature', async () => {
      const name = `${cloud.host}/cosign/signed`
      const pushed = image('signed', { layers: 1 })
      await tool('crane', 'push', writeLayout(scratch.join('signed'), { 1: pushed }), `${name}:1`)
      await tool('cosign', 'generate-key-pair')
      await tool('cosign', 'signing-config', 'create', '--out', 'signing.json')
      await tool('cosign', 'trusted-root', 'create', '--out', 'root.json')

      const signed = `${name}@${pushed.manifest.digest}`
      await tool('cosign', 'sign', '--yes', '--key', 'cosign.key', ...OFFLINE, signed)

      const referrers = await fetch(`${cloud.origin}/v2/cosign/signed/referrers/${pushed.manifest.digest}`)
      expect(await referrers.text()).toContain('sigstore')
      expect(cloud.ec2.actions).toEqual([])
    })
  })

  describeInCloud({ tools: ['oras'] }, 'oras', () => {
    it('with a file of 20 MiB', async () => {
      scratch.write('file.bin', randomBytesOf('asleep', 20 * MiB))
      await tool('oras', 'push', '--plain-http', `${cloud.host}/oras/file:1`, 'file.bin')

      expect(cloud.ec2.actions).toEqual([])
    })
  })

  describeInCloud({ tools: ['containerd', 'ctr'], root: true, linux: true }, 'containerd', () => {
    it('with a layer of 20 MiB, whose client is that of Docker 29 and BuildKit', async () => {
      await using containerd = await Containerd.start()
      const path = scratch.join('large.tar')
      writeLargeImage(path, '1', 'asleep', 20 * MiB)
      await containerd.images('import', '--base-name', `${cloud.host}/ctr/large`, '--no-unpack', path)
      await containerd.images('push', '--plain-http', `${cloud.host}/ctr/large:1`)

      expect(cloud.ec2.actions).toEqual([])
    })
  })

  describeInCloud({ tools: ['regctl'] }, 'regctl', () => {
    it('with a layer of 20 MiB', async () => {
      const path = scratch.join('regctl.tar')
      writeLargeImage(path, '1', 'regctl', 20 * MiB)
      const layout = scratch.folder('layout')
      await run('tar', ['-xf', path, '-C', layout])
      await tool('regctl', 'registry', 'set', cloud.host, '--tls', 'disabled', '--skip-check')
      await tool('regctl', 'image', 'copy', `ocidir://${layout}:1`, `${cloud.host}/regctl/large:1`)

      expect(cloud.ec2.actions).toEqual([])
    })
  })
})
