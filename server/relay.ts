import { setTimeout as delay } from 'node:timers/promises'
import { Passwords } from '../lambda/auth/identity/passwords.ts'
import { readAwsConfig } from '../lambda/aws/config.ts'
import { openAwsRegistry } from '../lambda/aws/registry.ts'
import { RelayKeeper } from '../lambda/aws/relay/keeper.ts'
import { requireEdge } from '../lambda/aws/require-edge.ts'
import { isEdgeHeader, SecretCache, ssmSecrets } from '../lambda/aws/secrets.ts'
import { faultRecord } from '../lambda/http/access-log.ts'
import { Log } from './log.ts'
import { createHttpServer } from './node-http.ts'
import { PasswordThreads } from './password-threads.ts'
import { countRequests, powerOff, serveUntilIdle } from './relay-idle.ts'
import { closeGracefully, listen, stopOnSignals } from './shutdown.ts'
import { errorReason } from './start-error.ts'

/** The load balancer's port. Its health check lacks the edge header and gets 403, which is configured as healthy. */
const PORT = Number(process.env.PORT || 8080)
/** How long uploads in progress may take when the relay is stopped, in milliseconds. Fargate waits two minutes at most. */
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

/**
 * Serves clients that send a layer of any size in one request: the app of the Lambda API, on a server that streams. On an EC2
 * instance that is stopped while idle, it also stops itself.
 */
async function main(): Promise<void> {
  const config = readAwsConfig(process.env)
  const log = new Log(process.stdout, 'json')
  const failed = (error: unknown) => log.write(faultRecord(Date.now(), error))
  process.on('exit', () => log.flush())

  const passwords = new Passwords({ derivation: new PasswordThreads() })
  const options = {
    config,
    secrets: () => secrets.cached,
    readLimit: READ_LIMIT,
    memory: UPLOAD_MEMORY,
    passwords,
  }
  const { app, credentials, relay } = openAwsRegistry(options)
  const secrets = new SecretCache(ssmSecrets(config, credentials))
  await secrets.current()
  const idleMs = config.relayIdle
  const keeper = relay && new RelayKeeper({ rows: relay.rows, clock: Date.now, idleMs })
  const counted = keeper ? countRequests(app, keeper) : app
  const guarded = requireEdge(counted, async header => isEdgeHeader(header, secrets.cached))
  const http = createHttpServer({ app: guarded, log })
  await listen(http.server, PORT, '0.0.0.0')

  const stopping = new AbortController()
  const pause = (ms: number) => delay(ms, true, { signal: stopping.signal, ref: false }).catch(() => false)
  const stop = async () => {
    stopping.abort()
    await closeGracefully(http, SHUTDOWN_MS)
  }
  stopOnSignals(stop, failed)
  void refreshSecrets()
  if (keeper && (await serveUntilIdle({ keeper, stopsWhenIdle: idleMs > 0, clock: Date.now, pause, failed })))
    await shutDown()

  async function refreshSecrets(): Promise<void> {
    while (await pause(REFRESH_MS)) await secrets.current()
  }

  /** Ends the process. When the instance cannot be powered off, the exit code 1 makes systemd start the relay again. */
  async function shutDown(): Promise<void> {
    log.notify('notice', 'the relay is idle and powers its instance off')
    await stop()
    const command = process.env.LONGSHORE_POWER_OFF
    if (command) await powerOff(command)
    process.exit(0)
  }
}
