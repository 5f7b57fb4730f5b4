import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { HttpServer } from './node-http.ts'

/** How often idle connections are closed during a stop, in milliseconds. */
const SWEEP_MS = 50
/** How long the app may take to end after its connections were closed, in milliseconds. */
const SETTLE_MS = 2_000

/**
 * Stops accepting connections, waits for requests in progress for at most `timeoutMs`, then closes all connections.
 * When it resolves, the app handles no request any more, so the stores can be closed.
 */
export async function closeGracefully(
  { server, closeIdle, closeAll, settled }: HttpServer,
  timeoutMs: number,
): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  const sweep = setInterval(closeIdle, SWEEP_MS)
  const late = setTimeout(closeAll, timeoutMs)
  await closed
  clearInterval(sweep)
  clearTimeout(late)
  await Promise.race([settled(), delay(SETTLE_MS, undefined, { ref: false })])
}

/** Resolves when the server listens, rejects when it cannot. */
export function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/**
 * Runs `stop` on the first SIGTERM or SIGINT, then exits: with 0 when it resolved, with 1 when it rejected. A second
 * signal exits at once, with 1.
 */
export function stopOnSignals(stop: () => Promise<void>, failed: (error: unknown) => void): void {
  let isStopping = false
  const onSignal = () => {
    if (isStopping) process.exit(1)
    isStopping = true
    stop().then(
      () => process.exit(0),
      error => {
        failed(error)
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}
