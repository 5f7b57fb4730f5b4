import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { RENEW_INTERVAL_MS, type RelayKeeper } from '../lambda/aws/relay/keeper.ts'
import type { App } from '../lambda/http/app.ts'

/** How often the relay checks whether it is idle, and retries a renewal that failed. */
export const CHECK_INTERVAL_MS = 5_000

interface IdleParts {
  readonly keeper: Pick<RelayKeeper, 'renew' | 'isIdle' | 'tryStop'>
  /** False: the relay serves until it gets a signal. */
  readonly stopsWhenIdle: boolean
  readonly clock: () => number
  /** Waits. Returns false, early, when the process stops for another reason. */
  readonly pause: (milliseconds: number) => Promise<boolean>
  /** Receives the error of an access to the table. The access is repeated. */
  readonly failed: (error: unknown) => void
}

/**
 * Reports that the relay serves until it has been idle for long enough. Renewals and the decision to stop follow each other: a
 * renewal after the decision would report a relay as ready whose instance shuts down.
 * @returns whether the instance must be powered off now; false when `pause` has returned false
 */
export async function serveUntilIdle(parts: IdleParts): Promise<boolean> {
  const { keeper, stopsWhenIdle, clock, pause, failed } = parts
  let renewAt = clock()
  do {
    try {
      if (clock() >= renewAt) {
        await keeper.renew()
        renewAt = clock() + RENEW_INTERVAL_MS
      }
      if (stopsWhenIdle && keeper.isIdle && (await keeper.tryStop())) return true
    } catch (error) {
      failed(error)
    }
  } while (await pause(CHECK_INTERVAL_MS))
  return false
}

/** The app, whose requests the relay counts from their heads to the last byte of their responses. */
export function countRequests(app: App, keeper: Pick<RelayKeeper, 'begin'>): App {
  return async request => {
    const end = callOnce(keeper.begin())
    try {
      const handled = await app(request)
      const { response } = handled
      if (response?.body === undefined || response.body instanceof Uint8Array) {
        end()
        return handled
      }
      return { ...handled, response: { ...response, body: withEnd(response.body, end) } }
    } catch (error) {
      end()
      throw error
    }
  }
}

/** Calls `end` when the server closes the body, which it does after every response (see `closeBody`). */
function withEnd(body: AsyncIterable<Uint8Array>, end: () => void): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const pieces = body[Symbol.asyncIterator]()
      return {
        next: () => pieces.next(),
        async return() {
          end()
          await pieces.return?.()
          return { done: true, value: undefined }
        },
      }
    },
  }
}

function callOnce(run: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) run()
    isDone = true
  }
}

/**
 * Runs the program that powers the instance off.
 * @param command path of an executable file; it gets no arguments
 * @throws {Error} when it cannot be run or fails
 */
export async function powerOff(command: string): Promise<void> {
  const child = spawn(command, [], { stdio: 'inherit' })
  const [code, signal] = await once(child, 'exit')
  if (code !== 0) throw new Error(`the power-off command ${command} failed: ${signal ?? `exit code ${code}`}`)
}
