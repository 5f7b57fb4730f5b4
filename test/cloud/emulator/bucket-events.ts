import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

interface S3Event {
  readonly Records?: readonly Record_[]
}
interface Record_ {
  readonly eventName: string
  readonly s3: { readonly object: { readonly key: string } }
}

/** How events travel: S3 promises at least one delivery, some time, and nothing more. */
interface Delivery {
  /** Milliseconds. */
  readonly delay: number
  /** How many of each: 0 loses it. */
  readonly copies: number
  /** How long Lambda waits before it tries again what failed: really a minute, and then two. Milliseconds. */
  readonly again?: number
}

/** Lambda tries an event that nobody waits for twice more (`retryAttempts` in infra/constructs/functions.ts). */
const ATTEMPTS = 3

/**
 * The bucket's notification: what versitygw tells by its webhook goes to the claim handler, as far as it is about objects
 * under `direct/` that came in one PUT (`notifyOfDirectUploads` in infra/constructs/storage.ts). S3 encodes keys in events and
 * leaves `s3:` off their names; versitygw does neither, so it is done here.
 */
export class BucketEvents {
  readonly #server: Server
  readonly #under = new Set<Promise<unknown>>()
  #invoke: ((event: unknown) => Promise<unknown>) | undefined
  delivery: Delivery = { delay: 0, copies: 1 }
  /** Keys of the events that were told, lost ones included. */
  readonly told: string[] = []

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece)
      response.end()
      this.#tell(JSON.parse(Buffer.concat(pieces).toString()) as S3Event)
    })
  }

  static async start(): Promise<BucketEvents> {
    const events = new BucketEvents()
    events.#server.listen(0, '127.0.0.1')
    await once(events.#server, 'listening')
    return events
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** @param invoke the claim handler */
  deliverTo(invoke: (event: unknown) => Promise<unknown>): void {
    this.#invoke = invoke
  }

  /** Resolves when all that was told so far is delivered. */
  async settled(): Promise<void> {
    while (this.#under.size > 0) await Promise.allSettled(this.#under)
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #deliver(event: S3Event, { delay: first, again = 1_000 }: Delivery): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      await delay(attempt === 1 ? first : again)
      try {
        return void (await this.#invoke?.(event))
      } catch {} // as long as there are attempts
    }
  }

  #tell({ Records = [] }: S3Event): void {
    const records = Records.filter(
      ({ eventName, s3 }) => eventName === 's3:ObjectCreated:Put' && s3.object.key.startsWith('direct/'),
    ).map(record => encoded(record))
    if (records.length === 0) return
    this.told.push(...records.map(({ s3 }) => s3.object.key))
    for (let copy = 0; copy < this.delivery.copies; copy++) {
      const under = this.#deliver({ Records: records }, this.delivery).then(() => {
        this.#under.delete(under)
      })
      this.#under.add(under)
    }
  }
}

/** As S3 writes it. */
function encoded(record: Record_): Record_ {
  const key = encodeURIComponent(record.s3.object.key).replaceAll('%2F', '/').replaceAll('%20', '+')
  const eventName = record.eventName.replace(/^s3:/, '')
  return { ...record, eventName, s3: { ...record.s3, object: { ...record.s3.object, key } } }
}
