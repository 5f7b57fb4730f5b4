import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { GuardedServer } from '../../support/guarded-server.ts'
import { LOGIN_CLIENTS, type LoginClient, type Outcome, REJECTION } from '../../support/login-clients.ts'
import { describeWith } from '../../support/requirements.ts'

const HOUR = 60 * 60 * 1000
const GRANTS = [{ may: ['pull', 'push', 'create-tag'], on: ['team/**'] }]
/**
 * Remaining lifetime of a token that expires during a test, in milliseconds. regctl does not use a token with less than
 * five seconds.
 */
const REMAINING_MS = 7_000

/** Starts a server and logs the client in. */
async function loggedIn(client: LoginClient, options?: { tokensLeft: number }): Promise<GuardedServer> {
  const server = await GuardedServer.start(options)
  const { key } = await server.auth.accounts.addRobot('ci', { grants: GRANTS })
  const { ok, output } = await client.login(server.host, 'ci', key)
  expect(ok, output).toBe(true)
  server.served.length = 0
  return server
}

/** Counts the requests of a push. */
async function countRequests(client: LoginClient): Promise<number> {
  await using server = await loggedIn(client)
  expect(await client.push(server.host, 'team/whole')).toMatchObject({ ok: true })
  return server.served.length
}

/**
 * Pushes as often as a push has requests, each time to a new server. In each push the event happens after another one
 * of the requests.
 */
async function pushes<T>(
  client: LoginClient,
  options: { tokensLeft: number } | undefined,
  event: (server: GuardedServer) => void | Promise<void>,
  end: (pushed: Outcome, server: GuardedServer, lastRequest: string) => T | Promise<T>,
): Promise<T[]> {
  const servers: GuardedServer[] = []
  for (let rest = await countRequests(client); rest > 0; rest--) servers.push(await loggedIn(client, options))
  const all = servers.map(async (server, at) => {
    await using _ = server
    let lastRequest = ''
    server.between = before => {
      if (before !== at) return
      lastRequest = server.served[at] ?? ''
      return event(server)
    }
    return await end(await client.push(server.host, `team/at-${at}`), server, lastRequest)
  })
  return Promise.all(all)
}

const isToken = (request: string) => request.includes(' /token ')

for (const { name, needs, onRejectedToken, start } of LOGIN_CLIENTS.filter(
  ({ renewsTokens }) => renewsTokens,
))
  describeWith(needs, name, () => {
    test('pushes when its tokens expire during any one of its requests', async () => {
      await using client = await start()
      const held = () => delay(REMAINING_MS + 500)
      const ends = await pushes(
        client,
        { tokensLeft: REMAINING_MS },
        held,
        ({ ok, output }, { served }, lastRequest) =>
          // A token that has expired before it arrives cannot be used.
          ok || isToken(lastRequest) ? 'pushed' : [lastRequest, output, served],
      )
      expect(ends).toEqual(ends.map(() => 'pushed'))
    })

    test('requests a new token when a token is refused early, or fails with a message and pushes when it runs again', async () => {
      await using client = await start()
      const invalidateTokens = (server: GuardedServer) => server.wait(2 * HOUR)
      const ends = await pushes(
        client,
        undefined,
        invalidateTokens,
        async ({ ok, output }, { served, host }, lastRequest) => {
          if (ok) return 'pushed'
          if (!REJECTION.test(output) || (onRejectedToken === 'retries' && !isToken(lastRequest)))
            return [lastRequest, output, served]
          const again = await client.push(host, `team/again-${host.split(':')[1]}`)
          return again.ok ? 'pushed' : [lastRequest, again.output]
        },
      )
      expect(ends).toEqual(ends.map(() => 'pushed'))
    })
  })
