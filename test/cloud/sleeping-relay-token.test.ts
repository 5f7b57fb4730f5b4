import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { Cloud } from './emulator/cloud.ts'
import { createAdministrator } from './emulator/first-administrator.ts'
import { send } from './fixture.ts'
import { describeInCloud } from './requirements.ts'
import { AGENTS, type Agent, resetRelay } from './sleeping-relay-fixture.ts'

describeInCloud({}, 'a token request', () => {
  let cloud: Cloud
  let authorization: string
  beforeAll(async () => {
    cloud = await Cloud.start({ relay: 'auto', auth: 'on' })
    const password = await createAdministrator(cloud)
    authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
  })
  afterAll(() => cloud?.stop())
  beforeEach(() => resetRelay(cloud))

  it.each<[Agent, string, number]>([
    ['docker', 'pull,push', 1],
    ['podman', 'pull,push', 1],
    ['jib', 'pull,push', 1],
    ['docker', 'pull', 0],
    ['crane', 'pull,push', 0],
    ['containerd', 'pull,push', 0],
  ])('of %s for %s starts a stopped relay %i times', async (agent, actions, starts) => {
    const headers = { authorization, 'user-agent': AGENTS[agent] }

    const { status } = await send(cloud, 'GET', `/token?scope=repository:app:${actions}`, { headers })

    expect([status, cloud.ec2.instance.starts]).toEqual([200, starts])
  })
})
