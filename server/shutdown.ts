import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { HttpServer } from './node-http.ts'

/** How often connections that have become idle are looked for. */
const SWEEP = 50
/** How long the app may take to notice that its clients have been cut off. */
const SETTLE = 2_000

/**
 * Stops taking connections, lets requests in flight finish for at most `bound` milliseconds, then cuts off the rest.
 * When it resolves nothing of the app runs any more, so that what it stands on can be closed.
 */
export async function closeGracefully(
  { server, closeIdle, closeAll, settled }: HttpServer,
  bound: number,
): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  const sweep = setInterval(closeIdle, SWEEP)
  const late = setTimeout(closeAll, bound)
  await closed
  clearInterval(sweep)
  clearTimeout(late)
  await Promise.race([settled(), delay(SETTLE, undefined, { ref: false })])
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
 * Runs `stop` on the first SIGTERM or SIGINT and exits: 0 when it went well, 1 when not. Whoever asks twice does not
 * want to wait: the second signal exits at once.
 */
export function stopOnSignals(stop: () => Promise<void>, failed: (error: unknown) => void): void {
  let asked = false
  const onSignal = () => {
    if (asked) process.exit(1)
    asked = true
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
