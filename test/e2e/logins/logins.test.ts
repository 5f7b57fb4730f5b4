import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../../support/command.ts'
import { LocalServer } from '../../support/local-server.ts'
import { LOGIN_CLIENTS, type LoginClient, REJECTION } from '../../support/login-clients.ts'
import { describeWith } from '../../support/requirements.ts'
import { TempDir } from '../../support/temp-dir.ts'

const PASSWORD = 'correct horse'

describeWith({ linux: true }, 'with accounts', () => {
  const scratch = new TempDir('longshore-logins-')
  let server: LocalServer
  let key: string

  const longshore = (words: string, input = '') =>
    run(process.execPath, ['cli/longshore.js', ...words.split(' '), '--data', scratch.join('data')], {
      input,
    })

  beforeAll(async () => {
    scratch.folder('data')
    await longshore('user add ann', PASSWORD)
    const robot = await longshore('robot add ci --may pull,push,create-tag,overwrite-tag --on team/** --json')
    key = JSON.parse(robot).key
    const rules = [
      { name: 'ann', who: ['user:ann'], may: ['pull', 'push', 'create-tag'], on: ['ann/**', 'public/**'] },
      { name: 'public', who: ['anonymous'], may: ['pull'], on: ['public/**'] },
    ]
    await longshore(`policy set ${scratch.write('policy.json', JSON.stringify({ rules }))}`)
    server = await LocalServer.start({ data: scratch.join('data') })
  })
  afterAll(async () => {
    await server?.stop()
    scratch.remove()
  })

  for (const { name, needs, checksAtLogin, start } of LOGIN_CLIENTS)
    describeWith(needs, name, () => {
      const own = name.toLowerCase().replaceAll(/[^a-z]/g, '')
      let client: LoginClient
      beforeAll(async () => {
        client = await start()
      })
      afterAll(() => client?.[Symbol.asyncDispose]())

      /** Expects that a command of the client fails at once with a message about access. */
      async function expectRefused(attempt: Promise<{ ok: boolean; output: string }>): Promise<void> {
        const began = performance.now()
        expect(await attempt).toEqual({ ok: false, output: expect.stringMatching(REJECTION) })
        expect(performance.now() - began).toBeLessThan(30_000) // Docker takes 50 s when it retries
      }

      test('is refused without a login', async () => {
        await expectRefused(client.push(server.host, `team/${own}`))
        await expectRefused(client.pull(server.host, `team/${own}`))
      })

      test('is refused with a wrong password', async () => {
        const login = client.login(server.host, 'ann', 'wrong horse')
        if (checksAtLogin) await expectRefused(login)
        else {
          await login
          await expectRefused(client.push(server.host, `ann/${own}`))
        }
      })

      test('pushes and pulls with a password, limited to the rights of the user', async () => {
        expect(await client.login(server.host, 'ann', PASSWORD)).toMatchObject({ ok: true })
        expect(await client.push(server.host, `ann/${own}`)).toMatchObject({ ok: true })
        expect(await client.pull(server.host, `ann/${own}`)).toMatchObject({ ok: true })
        await expectRefused(client.push(server.host, `team/${own}`))
      })

      test("pushes and pulls with a robot's key, limited to the rights of the robot", async () => {
        expect(await client.login(server.host, 'ci', key)).toMatchObject({ ok: true })
        expect(await client.push(server.host, `team/${own}`)).toMatchObject({ ok: true })
        expect(await client.pull(server.host, `team/${own}`)).toMatchObject({ ok: true })
        await expectRefused(client.push(server.host, `ann/other-${own}`))
        await expectRefused(client.pull(server.host, `ann/${own}`))
      })

      test('pulls from a public repository without a login, and cannot push to it', async () => {
        await client.login(server.host, 'ann', PASSWORD)
        expect(await client.push(server.host, `public/${own}`)).toMatchObject({ ok: true })
        await using stranger = await start()
        expect(await stranger.pull(server.host, `public/${own}`)).toMatchObject({ ok: true })
        await expectRefused(stranger.push(server.host, `public/other-${own}`))
      })
    })
})
