import { afterAll, beforeAll, expect, it } from 'vitest'
import { LOGIN_CLIENTS, type LoginClient, REFUSED } from '../support/login-clients.ts'
import { Cloud } from './emulator/cloud.ts'
import { commandLine } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

const PASSWORD = 'correct horse'

describeInCloud({ linux: true }, 'through the deployed path', () => {
  let cloud: Cloud
  let key: string
  beforeAll(async () => {
    cloud = await Cloud.start({ auth: 'on', pull: 'edge', relay: true })
    const longshore = commandLine(cloud)
    await longshore('user add ann', PASSWORD)
    const robot = await longshore('robot add ci --may pull,push,create-tag --on team/** --json')
    key = JSON.parse(robot).key
  })
  afterAll(() => cloud?.stop())

  for (const { name, needs, asksAtLogin, start } of LOGIN_CLIENTS)
    describeInCloud(needs, name, () => {
      const own = name.toLowerCase().replaceAll(/[^a-z]/g, '')
      const refused = { ok: false, said: expect.stringMatching(REFUSED) }
      let client: LoginClient
      beforeAll(async () => {
        client = await start()
      })
      afterAll(() => client?.[Symbol.asyncDispose]())

      it('is refused without a login, and with a wrong password', async () => {
        expect(await client.push(cloud.host, `team/${own}`)).toEqual(refused)
        const login = await client.login(cloud.host, 'ann', 'wrong horse')
        expect(asksAtLogin ? login : await client.push(cloud.host, `team/${own}`)).toEqual(refused)
      })

      it('logs in, pushes and pulls, and is refused what its key is not for', async () => {
        expect(await client.login(cloud.host, 'ci', key)).toMatchObject({ ok: true })
        expect(await client.push(cloud.host, `team/${own}`)).toMatchObject({ ok: true })
        expect(await client.pull(cloud.host, `team/${own}`)).toMatchObject({ ok: true })
        expect(await client.push(cloud.host, `other/${own}`)).toEqual(refused)
      })

      it('is told so when its user is let in and may do nothing', async () => {
        expect(await client.login(cloud.host, 'ann', PASSWORD)).toMatchObject({ ok: true })
        expect(await client.pull(cloud.host, `team/${own}`)).toEqual(refused)
      })
    })
})
