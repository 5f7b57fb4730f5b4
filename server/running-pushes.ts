import { setTimeout as delay } from 'node:timers/promises'
import type { App, HandledRequest } from '../lambda/http/app.ts'
import type { HttpRequest } from '../lambda/http/message.ts'
import { StorageFull } from '../lambda/store/blobs.ts'

/**
 * How long {@link RunningPushes.stop} waits, in milliseconds. Only the file system and the database can need time by
 * then.
 */
const MAX_STOP_MS = 5_000

/** The requests in progress that write to the disk. They can be stopped together when the disk is full. */
export class RunningPushes {
  readonly #running = new Map<StoppableBody, Promise<HandledRequest>>()

  /** Passes a request to the app. */
  async run(app: App, request: HttpRequest): Promise<HandledRequest> {
    const body = new StoppableBody(request.body)
    const handled = app({ ...request, body })
    this.#running.set(body, handled)
    try {
      return await handled
    } finally {
      this.#running.delete(body)
    }
  }

  /** Fails every running request where it reads its body, and resolves when none of them writes any more. */
  async stop(): Promise<void> {
    for (const body of this.#running.keys()) body.stop()
    const ended = Promise.allSettled(this.#running.values())
    await Promise.race([ended, delay(MAX_STOP_MS, undefined, { ref: false })])
  }
}

/**
 * A body that throws {@link StorageFull} once it is stopped, also to a reader that is waiting for the client at that
 * time.
 */
class StoppableBody implements AsyncIterable<Uint8Array> {
  readonly #body: AsyncIterable<Uint8Array>
  #isStopped = false
  #interrupt: ((error: Error) => void) | undefined

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#body = body
  }

  stop(): void {
    this.#isStopped = true
    this.#interrupt?.(refusal())
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    const pieces = this.#body[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await this.#unlessStopped(() => pieces.next())
        if (next.done) return
        yield next.value
      }
    } finally {
      // Not awaited: it ends only when a pending read ends, and the client may send nothing for minutes.
      pieces.return?.().catch(() => {})
    }
  }

  #unlessStopped<T>(read: () => Promise<T>): Promise<T> {
    if (this.#isStopped) return Promise.reject(refusal())
    return new Promise((resolve, reject) => {
      this.#interrupt = reject
      read().then(resolve, reject)
    })
  }
}

function refusal(): StorageFull {
  return new StorageFull('the disk is full: the remaining room is reserved for deletes')
}
