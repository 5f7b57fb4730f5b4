import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { GuardedServer } from '../../support/guarded-server.ts'
import { LOGIN_CLIENTS, type LoginClient, type Outcome, REJECTION } from '../../support/login-clients.ts'
import { describeWith } from '../../support/requirements.ts'

const HOUR = 60 * 60 * 1000
const GRANTS = [{ may: ['pull', 'push', 'create-tag'], on: ['team/**'] }]
/** For how many milliseconds a token works where it shall expire. regctl trusts none that has less than five seconds left. */
const LEFT = 7_000

/** A server of its own, where the client is logged in. */
async function loggedIn(client: LoginClient, options?: { tokensLeft: number }): Promise<GuardedServer> {
  const server = await GuardedServer.start(options)
  const { key } = await server.auth.accounts.addRobot('ci', { grants: GRANTS })
  const { ok, output } = await client.login(server.host, 'ci', key)
  expect(ok, output).toBe(true)
  server.served.length = 0
  return server
}

/** How many requests a push is. */
async function lengthOfPush(client: LoginClient): Promise<number> {
  await using server = await loggedIn(client)
  expect(await client.push(server.host, 'team/whole')).toMatchObject({ ok: true })
  return server.served.length
}

/** Pushes again and again, each time to another server, with something that happens behind another one of the requests. */
async function pushes<T>(
  client: LoginClient,
  options: { tokensLeft: number } | undefined,
  event: (server: GuardedServer) => void | Promise<void>,
  end: (pushed: Outcome, server: GuardedServer, behind: string) => T | Promise<T>,
): Promise<T[]> {
  const servers: GuardedServer[] = []
  for (let rest = await lengthOfPush(client); rest > 0; rest--) servers.push(await loggedIn(client, options))
  const all = servers.map(async (server, at) => {
    await using _ = server
    let behind = ''
    server.between = before => {
      if (before !== at) return
      behind = server.served[at] ?? ''
      return event(server)
    }
    return await end(await client.push(server.host, `team/at-${at}`), server, behind)
  })
  return Promise.all(all)
}

const isToken = (request: string) => request.includes(' /token ')

for (const { name, needs, onRejectedToken, start } of LOGIN_CLIENTS.filter(
  ({ renewsTokens }) => renewsTokens,
))
  describeWith(needs, name, () => {
    test('pushes, whichever of its requests takes until after its tokens have expired', async () => {
      await using client = await start()
      const held = () => delay(LEFT + 500)
      const ends = await pushes(client, { tokensLeft: LEFT }, held, ({ ok, output }, { served }, behind) =>
        // Nobody can use a token that is too old when it arrives.
        ok || isToken(behind) ? 'pushed' : [behind, output, served],
      )
      expect(ends).toEqual(ends.map(() => 'pushed'))
    })

    test('whose token is refused before its time asks again, or says so and pushes when it is run again', async () => {
      await using client = await start()
      const forget = (server: GuardedServer) => server.wait(2 * HOUR)
      const ends = await pushes(
        client,
        undefined,
        forget,
        async ({ ok, output }, { served, host }, behind) => {
          if (ok) return 'pushed'
          if (!REJECTION.test(output) || (onRejectedToken === 'retries' && !isToken(behind)))
            return [behind, output, served]
          const again = await client.push(host, `team/again-${host.split(':')[1]}`)
          return again.ok ? 'pushed' : [behind, again.output]
        },
      )
      expect(ends).toEqual(ends.map(() => 'pushed'))
    })
  })
