import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { LOGIN_CLIENTS, type LoginClient, type LoginClientKind, REJECTION } from '../support/login-clients.ts'
import { findTool } from '../support/requirements.ts'
import { Cloud } from './emulator/cloud.ts'
import { commandLine } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

const PASSWORD = 'correct horse'
/** Time after which cached accounts expire, in milliseconds. */
const CACHE_TTL_MS = 61_000

describeInCloud({ linux: true }, 'login clients on the deployed system', () => {
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

  for (const { name, needs, checksAtLogin, start } of LOGIN_CLIENTS)
    describeInCloud(needs, name, () => {
      const own = name.toLowerCase().replaceAll(/[^a-z]/g, '')
      const refused = { ok: false, output: expect.stringMatching(REJECTION) }
      let client: LoginClient
      beforeAll(async () => {
        client = await start()
      })
      afterAll(() => client?.[Symbol.asyncDispose]())

      it('is refused without a login, and with a wrong password', async () => {
        expect(await client.push(cloud.host, `team/${own}`)).toEqual(refused)
        const login = await client.login(cloud.host, 'ann', 'wrong horse')
        expect(checksAtLogin ? login : await client.push(cloud.host, `team/${own}`)).toEqual(refused)
      })

      it('logs in, pushes and pulls, and is refused outside its grants', async () => {
        expect(await client.login(cloud.host, 'ci', key)).toMatchObject({ ok: true })
        expect(await client.push(cloud.host, `team/${own}`)).toMatchObject({ ok: true })
        expect(await client.pull(cloud.host, `team/${own}`)).toMatchObject({ ok: true })
        expect(await client.push(cloud.host, `other/${own}`)).toEqual(refused)
      })

      it('is refused as a user without grants', async () => {
        expect(await client.login(cloud.host, 'ann', PASSWORD)).toMatchObject({ ok: true })
        expect(await client.pull(cloud.host, `team/${own}`)).toEqual(refused)
      })
    })

  it('are refused within a minute after their keys were renewed, and log in with the new keys', async () => {
    const longshore = commandLine(cloud)
    const add = async (robot: string) =>
      JSON.parse(await longshore(`robot add ${robot} --may pull,push,create-tag --on team/** --json`)).key
    const renew = async (robot: string) => JSON.parse(await longshore(`robot renew ${robot} --json`)).key
    await using all = new AsyncDisposableStack()
    const pushes: { robot: string; client: LoginClient }[] = []
    for (const [at, { start }] of LOGIN_CLIENTS.filter(canLogInAgain).entries()) {
      const [robot, client] = [`again-${at}`, all.use(await start())]
      expect(await client.login(cloud.host, robot, await add(robot))).toMatchObject({ ok: true })
      expect(await client.push(cloud.host, `team/${robot}`)).toMatchObject({ ok: true })
      pushes.push({ robot, client })
    }

    const keys = await Promise.all(pushes.map(({ robot }) => renew(robot)))
    await delay(CACHE_TTL_MS)

    const refused = { ok: false, output: expect.stringMatching(REJECTION) }
    for (const [at, { robot, client }] of pushes.entries()) {
      expect(await client.push(cloud.host, `team/${robot}-after`)).toEqual(refused)
      expect(await client.login(cloud.host, robot, keys[at])).toMatchObject({ ok: true })
      expect(await client.push(cloud.host, `team/${robot}-after`)).toMatchObject({ ok: true })
    }
  })
})

function canLogInAgain({ needs: { tools = [] } }: LoginClientKind): boolean {
  return tools.every(tool => findTool(tool)) && process.getuid?.() === 0
}
