import { setTimeout as delay } from 'node:timers/promises'
import { Passwords } from '../lambda/auth/identity/passwords.ts'
import { readAwsConfig } from '../lambda/aws/config.ts'
import { openAwsRegistry } from '../lambda/aws/registry.ts'
import { requireEdge } from '../lambda/aws/require-edge.ts'
import { isEdgeHeader, SecretCache, ssmSecrets } from '../lambda/aws/secrets.ts'
import { faultRecord } from '../lambda/http/access-log.ts'
import { Log } from './log.ts'
import { createHttpServer } from './node-http.ts'
import { PasswordThreads } from './password-threads.ts'
import { closeGracefully, listen, stopOnSignals } from './shutdown.ts'
import { errorReason } from './start-error.ts'

/** Where the load balancer looks for it. To its own question, which does not come by the edge, it hears 403: that is well. */
const PORT = Number(process.env.PORT || 8080)

/** So long a layer that is on its way may take when the service is renewed. Fargate waits two minutes at most. */
const SHUTDOWN = 110_000
/** What one upload may hold: parts of 256 MiB, for blobs of 453 GiB, want twice that. */
const MEMORY = Number(process.env.LONGSHORE_UPLOAD_MEMORY_MIB || 64) * 2 ** 20
const READ_LIMIT = 64 * 2 ** 20
/** How often the secrets are looked after, in milliseconds. */
const REFRESH = 60_000

await main().catch(error => {
  console.error(`longshore: ${errorReason(error)}`)
  process.exit(1)
})

/** The registry for clients that send a layer of any size in one request: the app of the API, on a server that streams. */
async function main(): Promise<void> {
  const config = readAwsConfig(process.env)
  const log = new Log(process.stdout, 'json')
  const failed = (error: unknown) => log.write(faultRecord(Date.now(), error))
  process.on('exit', () => log.flush())

  const passwords = new Passwords({ derivation: new PasswordThreads() })
  const parts = { config, secrets: () => keeper.cached, readLimit: READ_LIMIT, memory: MEMORY, passwords }
  const { app, credentials } = openAwsRegistry(parts)
  const keeper = new SecretCache(ssmSecrets(config, credentials))
  await keeper.current()
  const guarded = requireEdge(app, async header => isEdgeHeader(header, keeper.cached))
  const door = createHttpServer({ app: guarded, log })
  await listen(door.server, PORT, '0.0.0.0')

  const stopping = new AbortController()
  void refresh()
  stopOnSignals(async () => {
    stopping.abort()
    await closeGracefully(door, SHUTDOWN)
  }, failed)

  async function refresh(): Promise<void> {
    while (await waited(REFRESH, stopping.signal)) await keeper.current()
  }
}

async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  return delay(ms, true, { signal, ref: false }).catch(() => false)
}
