import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { Client } from '../../smoke/client.ts'
import type { Deployment } from '../../smoke/context.ts'
import { describeDeployment, inspect } from '../../smoke/inspect.ts'
import { NotReady } from '../../smoke/ready.ts'
import { type FakeResponse, REGISTRY, startFakeRegistry } from './fake-registry.ts'

const PATH = '/v2/smoke/test'

const respondAs =
  ({ pull, relay, directUploads }: Deployment) =>
  ({ method, url = '' }: IncomingMessage): FakeResponse => {
    if (method === 'HEAD') return [307, { location: pull === 'edge' ? '/pull/1' : 'https://s3.example/1' }]
    if (method === 'PATCH') return [relay ? 202 : 413]
    if (method !== 'POST') return [200]
    if (url.includes('digest=')) return [201]
    return [202, { ...REGISTRY, location: `${PATH}/1?_state=a${directUploads ? '&direct=1.b' : ''}` }]
  }

const DEPLOYMENTS: Deployment[] = (['s3', 'edge'] as const).flatMap(pull =>
  [false, true].flatMap(relay => [false, true].map(directUploads => ({ pull, relay, directUploads }))),
)

describe('inspect', () => {
  it.each(DEPLOYMENTS)('recognizes a deployment with %j', async deployment => {
    using registry = await startFakeRegistry(respondAs(deployment))

    const found = await inspect({ client: new Client(registry.origin), path: PATH, blobs: [] })

    expect(found).toEqual(deployment)
  })

  it('notes the blob that it pushed, so that it is deleted', async () => {
    using registry = await startFakeRegistry(respondAs({ pull: 's3', relay: false, directUploads: true }))
    const blobs: string[] = []

    await inspect({ client: new Client(registry.origin), path: PATH, blobs })

    expect(blobs).toEqual([expect.stringMatching(/^sha256:/)])
  })

  it('rejects a registry that does not run on AWS', async () => {
    using registry = await startFakeRegistry(({ method }) => [method === 'POST' ? 201 : 200])

    const found = inspect({ client: new Client(registry.origin), path: PATH, blobs: [] })

    await expect(found).rejects.toThrow(NotReady)
    await expect(found).rejects.toThrow('does not run on AWS')
  })
})

describe('describeDeployment', () => {
  it.each([
    [{ pull: 's3', relay: false, directUploads: true }, 'pull=s3, no relay, direct uploads'],
    [{ pull: 'edge', relay: true, directUploads: false }, 'pull=edge, a relay, no direct uploads'],
  ] as const)('describes %j in one line', (deployment, line) => {
    expect(describeDeployment(deployment)).toBe(line)
  })
})
