import { chmodSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CloudFrontSigner } from '../../lambda/aws/signed-urls.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { parseUploadId } from '../../lambda/protocol/reference.ts'
import { TempDir } from '../support/temp-dir.ts'
import { Cloud } from './emulator/cloud.ts'
import type { ErrorCode } from './emulator/ec2.ts'
import { send } from './fixture.ts'
import { describeInCloud } from './requirements.ts'
import {
  AGENTS,
  beginAs,
  largeLayer,
  powerOff,
  reachesState,
  resetRelay,
  rowsOf,
  stream,
  upload,
} from './sleeping-relay-fixture.ts'

/** Idle after three seconds. */
const IDLE_MINUTES = '0.05'

describeInCloud({}, 'a relay that is stopped while idle', () => {
  const scratch = new TempDir('longshore-power-off-')
  let cloud: Cloud
  beforeAll(async () => {
    const script = scratch.write('power-off', `#!/bin/sh\necho off >>'${scratch.join('calls')}'\n`)
    chmodSync(script, 0o755)
    const environment = { LONGSHORE_RELAY_IDLE_MINUTES: IDLE_MINUTES, LONGSHORE_POWER_OFF: script }
    const times = { bootMs: 1_000, shutdownMs: 4_000, connectionTimeoutMs: 300 }
    cloud = await Cloud.start({ relay: 'auto', environment, ...times })
  })
  afterAll(async () => {
    await cloud?.stop()
    scratch.remove()
  })
  beforeEach(() => resetRelay(cloud))

  it('is started once for five layers at once', async () => {
    const layers = [1, 2, 3, 4, 5].map(number => largeLayer(`layer ${number}`))

    await Promise.all(layers.map(layer => upload(cloud, 'docker', layer)))

    expect(cloud.ec2.instance.starts).toBe(1)
  })

  it('powers its instance off when no push needs it', async () => {
    await upload(cloud, 'docker')

    await powerOff(cloud)

    expect(readFileSync(scratch.join('calls'), 'utf8')).toBe('off\n')
    await reachesState(cloud, 'stopped')
  })

  it('is started again for an upload that begins while EC2 still reports it as running', async () => {
    await upload(cloud, 'docker')
    await powerOff(cloud)
    expect(cloud.ec2.instance.state).toBe('running')

    await upload(cloud, 'podman')

    expect(cloud.ec2.instance.starts).toBe(2)
  })

  it('is started again for an upload that begins while EC2 reports it as stopping', async () => {
    await upload(cloud, 'docker')
    await powerOff(cloud)
    await reachesState(cloud, 'stopping')

    await upload(cloud, 'podman')

    expect(cloud.ec2.instance.starts).toBe(2)
  })

  it('accepts the layer again after it was killed during the PATCH', async () => {
    const { headers } = await beginAs(cloud, 'docker')
    const pause = async () => {
      await cloud.ec2.instance.killService()
      return false
    }
    const broken = await stream(cloud, headers.location ?? '', largeLayer('killed').bytes, { pause })
    expect(broken.status).toBe(502)

    await expect.poll(() => upload(cloud, 'docker').then(() => 'uploaded', String)).toBe('uploaded')

    expect(cloud.ec2.instance.starts).toBe(1)
  })

  it('is unreachable while the instance is stopped, which CloudFront reports as 504', async () => {
    const session = {
      upload: parseUploadId('00000000-0000-4000-8000-000000000000'),
      name: parseRepositoryName('app'),
    }
    const signature = new CloudFrontSigner(cloud.edgeKey).streamQuery(session, 4_000_000_000)
    const location = `/v2/app/blobs/uploads/${session.upload}?relay=1&${signature}`

    const { status } = await stream(cloud, location, largeLayer('stopped').bytes, {
      pause: async () => false,
    })

    expect(status).toBe(504)
  })

  describe('when EC2 refuses to start it', () => {
    it.each<[ErrorCode, string]>([
      ['InsufficientInstanceCapacity', 'AWS has no capacity for its instance type'],
      ['VcpuLimitExceeded', 'the EC2 quota of the AWS account is used up'],
      ['UnauthorizedOperation', 'an administrator must allow ec2:StartInstances'],
      ['PendingVerification', 'AWS is still verifying the account'],
    ])('names the reason: %s', async (code, reason) => {
      cloud.ec2.refusals.push(code)

      const { status, text } = await beginAs(cloud, 'podman')

      expect(status).toBe(403)
      expect(JSON.parse(text).errors[0]).toMatchObject({
        code: 'DENIED',
        message: expect.stringMatching(new RegExp(`${reason}.*Docker 29, buildx and oras need no relay`)),
      })
    })

    it('starts it a moment later after throttling', async () => {
      cloud.ec2.refusals.push('RequestLimitExceeded')

      await upload(cloud, 'docker')

      expect(cloud.ec2.actions).toEqual(['StartInstances', 'StartInstances'])
    })
  })

  describe('for a layer that says its length', () => {
    /** @param pause see {@link stream} */
    const patch = async (size: number, pause = async () => true) => {
      const begun = await beginAs(cloud, 'crane')
      const headers = { 'user-agent': AGENTS.crane, 'content-length': String(size) }
      return stream(cloud, begun.headers.location ?? '', Buffer.alloc(size), { headers, pause })
    }

    it('is not started up to 4 MiB', async () => {
      expect((await patch(4 * 2 ** 20)).status).toBe(202)
      expect(cloud.ec2.actions).toEqual([])
    })

    it('is started above 4 MiB by the redirect that the PATCH gets', async () => {
      const redirect = await patch(4 * 2 ** 20 + 1, async () => false)
      expect(redirect.status).toBe(303)

      const headers = { 'user-agent': AGENTS.crane }
      expect((await send(cloud, 'GET', redirect.headers.location ?? '', { headers })).status).toBe(503)

      expect((await patch(4 * 2 ** 20 + 1)).status).toBe(202)
      expect(cloud.ec2.instance.starts).toBe(1)
    })
  })

  describe('and the collector', () => {
    const collect = () => cloud.collector.invoke({})

    it('stops an instance whose relay has failed for ten minutes', async () => {
      await upload(cloud, 'docker')
      cloud.ec2.instance.restartsService = false
      await cloud.ec2.instance.killService()
      const rows = rowsOf(cloud)
      await rows.change(await rows.read(), { readyUntil: 0, since: 1, tried: 0 })

      await collect()

      await reachesState(cloud, 'stopped')
      expect(cloud.ec2.actions).toContain('StopInstances')
    })

    it('leaves a relay that serves', async () => {
      await upload(cloud, 'docker')

      await collect()

      expect(cloud.ec2.actions).toEqual(['StartInstances'])
    })
  })
})
