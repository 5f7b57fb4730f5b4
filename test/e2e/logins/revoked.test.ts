import { expect, test } from 'vitest'
import { GuardedServer } from '../../support/guarded-server.ts'
import { LOGIN_CLIENTS, REJECTION } from '../../support/login-clients.ts'
import { describeWith } from '../../support/requirements.ts'

const DAY = 24 * 60 * 60 * 1000
/** Longer than the server caches an account, in milliseconds. */
const AFTER_CACHE_MS = 61_000
const GRANTS = [{ may: ['pull', 'push', 'create-tag'], on: ['team/**'] }]

for (const { name, needs, checksAtLogin, start } of LOGIN_CLIENTS)
  describeWith(needs, name, () => {
    test.each<[string, (server: GuardedServer) => Promise<unknown>]>([
      ['has expired', server => server.wait(2 * DAY)],
      ['was renewed', server => server.auth.accounts.renewKey('ci')],
      ['was removed', server => server.auth.accounts.remove('ci', 'robot')],
    ])('is refused when its key %s, and logs in again with another key', async (what, happens) => {
      await using client = await start()
      await using server = await GuardedServer.start()
      const { accounts } = server.auth
      const expires = Date.now() + DAY
      const { key } = await accounts.addRobot('ci', { grants: GRANTS, expires })
      expect(await client.login(server.host, 'ci', key)).toMatchObject({ ok: true })
      expect(await client.push(server.host, 'team/before')).toMatchObject({ ok: true })

      await happens(server)
      await server.wait(AFTER_CACHE_MS)
      const refused = { ok: false, output: expect.stringMatching(REJECTION) }
      expect(await client.push(server.host, 'team/after')).toEqual(refused)
      expect(await client.pull(server.host, 'team/before')).toEqual(refused)
      const again = await client.login(server.host, 'ci', key)
      if (checksAtLogin) expect(again).toEqual(refused)

      if (what !== 'was removed') await accounts.remove('ci', 'robot')
      const { key: fresh } = await accounts.addRobot('ci', { grants: GRANTS })
      expect(await client.login(server.host, 'ci', fresh)).toMatchObject({ ok: true })
      expect(await client.push(server.host, 'team/after')).toMatchObject({ ok: true })
      expect(await client.pull(server.host, 'team/before')).toMatchObject({ ok: true })
    })
  })
