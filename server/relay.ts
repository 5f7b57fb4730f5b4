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

/** The load balancer's port. Its health check lacks the edge header and gets 403, which is configured as healthy. */
const PORT = Number(process.env.PORT || 8080)
/** How long uploads in progress may take when the service is redeployed, in milliseconds. Fargate waits two minutes at most. */
const SHUTDOWN_MS = 110_000
/** Memory of one upload in bytes: it holds two parts. Blobs of 453 GiB have parts of 256 MiB. */
const UPLOAD_MEMORY = Number(process.env.LONGSHORE_UPLOAD_MEMORY_MIB || 64) * 2 ** 20
/** Bytes that one request may read back from S3 to compute a digest that S3 has not computed. */
const READ_LIMIT = 64 * 2 ** 20
/** How often the secrets are read again, in milliseconds. */
const REFRESH_MS = 60_000

await main().catch(error => {
  console.error(`longshore: ${errorReason(error)}`)
  process.exit(1)
})

/** Serves clients that send a layer of any size in one request: the app of the Lambda API, on a server that streams. */
async function main(): Promise<void> {
  const config = readAwsConfig(process.env)
  const log = new Log(process.stdout, 'json')
  const failed = (error: unknown) => log.write(faultRecord(Date.now(), error))
  process.on('exit', () => log.flush())

  const passwords = new Passwords({ derivation: new PasswordThreads() })
  const options = {
    config,
    secrets: () => keeper.cached,
    readLimit: READ_LIMIT,
    memory: UPLOAD_MEMORY,
    passwords,
  }
  const { app, credentials } = openAwsRegistry(options)
  const keeper = new SecretCache(ssmSecrets(config, credentials))
  await keeper.current()
  const guarded = requireEdge(app, async header => isEdgeHeader(header, keeper.cached))
  const http = createHttpServer({ app: guarded, log })
  await listen(http.server, PORT, '0.0.0.0')

  const stopping = new AbortController()
  void refresh()
  stopOnSignals(async () => {
    stopping.abort()
    await closeGracefully(http, SHUTDOWN_MS)
  }, failed)

  async function refresh(): Promise<void> {
    while (await waited(REFRESH_MS, stopping.signal)) await keeper.current()
  }
}

async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  return delay(ms, true, { signal, ref: false }).catch(() => false)
}
