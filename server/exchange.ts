import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { accessRecord, faultRecord } from '../lambda/http/access-log.ts'
import { type App, errorResponse, type HandledRequest } from '../lambda/http/app.ts'
import { closeBody } from '../lambda/http/body.ts'
import { explainExhaustion } from '../lambda/http/file-descriptors.ts'
import { ClientGone, type HttpResponse } from '../lambda/http/message.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import type { ClientView } from './forwarded.ts'
import type { Log } from './log.ts'
import { type DrainLimits, IncomingBody, readRequest } from './node-request.ts'
import { writeBody, writeHead } from './node-response.ts'
import type { StallGuard, Watch } from './stall-guard.ts'

/** What every turn of a server shares. */
export interface HttpExchangeOptions {
  readonly log: Log
  readonly guard: StallGuard
  readonly drain: DrainLimits
  /** Who asks, through proxies or directly. */
  readonly client: (incoming: IncomingMessage) => ClientView
  /** Whether the server is about to stop, so that connections end with the answer that is under way. */
  readonly stopping: () => boolean
}

/** One request and its answer, from the first header to the line in the log. */
export class HttpExchange {
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #parts: HttpExchangeOptions
  readonly #requestId = randomUUID()
  readonly #startedAt = Date.now()
  readonly #started = performance.now()
  readonly #client: ClientView
  readonly #watch: Watch
  readonly #body: IncomingBody
  readonly #closed: Promise<void>
  #bytesOut = 0
  /** Whether the client has its answer, whatever becomes of the rest of its body. */
  #answered = false
  #refusal: RegistryError | undefined

  /** @param expectsContinue the client waits for `100 Continue` before it sends its body. */
  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    parts: HttpExchangeOptions,
    expectsContinue: boolean,
  ) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#parts = parts
    this.#client = parts.client(incoming)
    this.#watch = parts.guard.watch(() => this.refuse(new RegistryError('REQUEST_TIMEOUT')))
    this.#body = new IncomingBody(
      incoming,
      this.#watch,
      expectsContinue ? () => outgoing.writeContinue() : undefined,
    )
    this.#closed = new Promise(resolve => outgoing.once('close', resolve))
  }

  /** Whether the last byte of the answer is on its way. */
  get over(): boolean {
    return this.#outgoing.writableFinished || this.#outgoing.destroyed
  }

  /**
   * Lets the app answer, and returns when the client has the answer or is gone. Never rejects.
   * @param before the turn before on the connection: a client that sends the next request early is served in order.
   */
  async run(app: App, before: HttpExchange | undefined): Promise<void> {
    if (before && !before.over) await before.#closed
    if (!this.#incoming.socket.destroyed) await this.#serve(app)
    this.#parts.guard.unwatch(this.#watch)
  }

  async #serve(app: App): Promise<void> {
    const exchange = await this.#ask(app)
    const body = exchange.response?.body
    const fault = await this.#answer(exchange.response)
      // Also of a client that left before its first byte: nobody has begun to read the body then.
      .finally(() => closeBody(body))
      .catch(error => {
        // The status is gone already: only a broken connection tells the client that the body is not whole.
        this.#outgoing.destroy()
        return error instanceof ClientGone ? undefined : error
      })
    await this.#closed
    this.#record(exchange, exchange.fault ?? fault)
  }

  /** Ends a turn that cannot go on because of the client: with an error document where nothing else was said yet. */
  refuse(error: RegistryError): void {
    if (this.#outgoing.headersSent) {
      this.#outgoing.destroy()
      return
    }
    const { headers, body, status } = errorResponse(error, this.#incoming.method ?? '')
    this.#refusal = error
    this.#writeHead({ status, headers }, true)
    // Once a response is over Node no longer tells the reader of the body that the connection has closed. We do.
    this.#outgoing.end(body, () => this.#incoming.destroy())
  }

  async #ask(app: App): Promise<HandledRequest> {
    try {
      return await app(readRequest(this.#incoming, this.#body, this.#client))
    } catch (error) {
      const known = error instanceof RegistryError ? error : explainExhaustion(error)
      const told = known ?? new RegistryError('UNKNOWN')
      return {
        response: errorResponse(told, this.#incoming.method ?? ''),
        code: told.code,
        ...(told !== error && { fault: error }),
      }
    }
  }

  async #answer(response: HttpResponse | undefined): Promise<void> {
    const outgoing = this.#outgoing
    if (outgoing.headersSent || outgoing.destroyed) return
    if (!response) {
      outgoing.destroy()
      return
    }
    const unread = !this.#incoming.complete
    this.#writeHead(response, unread || this.#parts.stopping())
    this.#bytesOut = await writeBody(outgoing, response.body, this.#watch, !unread)
    if (!unread) return
    this.#answered = true
    await this.#body.drain(this.#parts.drain)
    outgoing.end()
  }

  #writeHead(response: HttpResponse, close: boolean): void {
    writeHead(this.#outgoing, response, {
      'x-request-id': this.#requestId,
      ...(close && { connection: 'close' }),
    })
  }

  #record(exchange: HandledRequest, fault: unknown): void {
    const { writableFinished, statusCode } = this.#outgoing
    const told = writableFinished || this.#answered || fault !== undefined
    const refusal = this.#refusal
    this.#parts.log.write(
      accessRecord(
        {
          requestId: this.#requestId,
          startedAt: this.#startedAt,
          durationMs: performance.now() - this.#started,
          status: told ? statusCode : 499,
          bytesIn: this.#body.received,
          bytesOut: this.#bytesOut,
          method: this.#incoming.method,
          agent: this.#incoming.headers['user-agent'],
          remote: this.#client.remote,
        },
        refusal ? { ...exchange, code: refusal.code } : exchange,
      ),
    )
    if (fault !== undefined) this.#parts.log.write(faultRecord(Date.now(), fault, this.#requestId))
  }
}
