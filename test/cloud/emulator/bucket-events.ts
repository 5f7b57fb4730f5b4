import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

interface S3Event {
  readonly Records?: readonly S3EventRecord[]
}
interface S3EventRecord {
  readonly eventName: string
  readonly s3: { readonly object: { readonly key: string } }
}

/** How events are delivered. S3 guarantees at least one delivery, at any time. */
interface Delivery {
  /** Time before the delivery, in milliseconds. */
  readonly delay: number
  /** Number of deliveries of each event. 0 loses the event. */
  readonly copies: number
  /** Time before Lambda retries a failed event, in milliseconds. The service waits one minute, then two. */
  readonly retryDelay?: number
}

/** Lambda retries an asynchronous invocation twice (`retryAttempts` in infra/constructs/functions.ts). */
const ATTEMPTS = 3

/**
 * Emulates the bucket's event notification. It receives the events of versitygw's webhook and invokes the function for S3
 * events with those of objects under `direct/` that one PUT wrote (`notifyOfDirectUploads` in infra/constructs/storage.ts).
 * S3 encodes keys in events and omits `s3:` from event names; versitygw does neither, so this class does.
 */
export class BucketEvents {
  readonly #server: Server
  readonly #pending = new Set<Promise<unknown>>()
  #invoke: ((event: unknown) => Promise<unknown>) | undefined
  delivery: Delivery = { delay: 0, copies: 1 }
  /** Object keys of all events, lost ones included. */
  readonly keys: string[] = []

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      response.end()
      this.#receive(JSON.parse(Buffer.concat(chunks).toString()) as S3Event)
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

  /** @param invoke invokes the function for S3 events */
  deliverTo(invoke: (event: unknown) => Promise<unknown>): void {
    this.#invoke = invoke
  }

  /** Resolves when all events so far are delivered. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending)
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #deliver(event: S3Event, { delay: first, retryDelay = 1_000 }: Delivery): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      await delay(attempt === 1 ? first : retryDelay)
      try {
        return void (await this.#invoke?.(event))
      } catch {} // The next attempt follows.
    }
  }

  #receive({ Records = [] }: S3Event): void {
    const records = Records.filter(
      ({ eventName, s3 }) => eventName === 's3:ObjectCreated:Put' && s3.object.key.startsWith('direct/'),
    ).map(record => toS3Record(record))
    if (records.length === 0) return
    this.keys.push(...records.map(({ s3 }) => s3.object.key))
    for (let copy = 0; copy < this.delivery.copies; copy++) {
      const delivered = this.#deliver({ Records: records }, this.delivery).then(() => {
        this.#pending.delete(delivered)
      })
      this.#pending.add(delivered)
    }
  }
}

/** The record with the key and the event name as S3 sends them. */
function toS3Record(record: S3EventRecord): S3EventRecord {
  const key = encodeURIComponent(record.s3.object.key).replaceAll('%2F', '/').replaceAll('%20', '+')
  const eventName = record.eventName.replace(/^s3:/, '')
  return { ...record, eventName, s3: { ...record.s3, object: { ...record.s3.object, key } } }
}
