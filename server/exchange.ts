import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { accessRecord, faultRecord } from '../lambda/http/access-log.ts'
import { type App, errorResponse, type HandledRequest, refuse } from '../lambda/http/app.ts'
import { closeBody } from '../lambda/http/body.ts'
import { explainExhaustion } from '../lambda/http/file-descriptors.ts'
import { ClientGone, type HttpResponse } from '../lambda/http/message.ts'
import { RegistryError } from '../lambda/protocol/errors.ts'
import type { ClientView } from './forwarded.ts'
import type { Log } from './log.ts'
import { type DrainLimits, IncomingBody, readRequest } from './node-request.ts'
import { writeBody, writeHead } from './node-response.ts'
import type { StallGuard, Watch } from './stall-guard.ts'

/** What all exchanges of a server share. */
export interface HttpExchangeOptions {
  readonly log: Log
  readonly guard: StallGuard
  readonly drain: DrainLimits
  /** Returns who sent a request, directly or through proxies. */
  readonly client: (incoming: IncomingMessage) => ClientView
  /** Whether the server is stopping. Connections then close after the response in progress. */
  readonly stopping: () => boolean
}

/** One request and its response, from the first header to the record in the access log. */
export class HttpExchange {
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #options: HttpExchangeOptions
  readonly #requestId = randomUUID()
  readonly #startedAt = Date.now()
  readonly #started = performance.now()
  readonly #client: ClientView
  readonly #watch: Watch
  readonly #body: IncomingBody
  readonly #closed: Promise<void>
  #bytesOut = 0
  /** Whether the client has the response. The rest of the request body may still be arriving. */
  #hasResponded = false
  #refusal: RegistryError | undefined

  /** @param expectsContinue whether the client waits for `100 Continue` before it sends its body */
  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    options: HttpExchangeOptions,
    expectsContinue: boolean,
  ) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#options = options
    this.#client = options.client(incoming)
    this.#watch = options.guard.watch(() => this.refuse(new RegistryError('REQUEST_TIMEOUT')))
    this.#body = new IncomingBody(
      incoming,
      this.#watch,
      expectsContinue ? () => outgoing.writeContinue() : undefined,
    )
    this.#closed = new Promise(resolve => outgoing.once('close', resolve))
  }

  /** Whether the last byte of the response has been handed to the system, or the connection is closed. */
  get over(): boolean {
    return this.#outgoing.writableFinished || this.#outgoing.destroyed
  }

  /**
   * Passes the request to the app and sends the response. Resolves when the client has the response or has closed the connection.
   * Never rejects.
   * @param previous the previous exchange on the connection. Pipelined requests are served in order.
   */
  async run(app: App, previous: HttpExchange | undefined): Promise<void> {
    if (previous && !previous.over) await previous.#closed
    if (!this.#incoming.socket.destroyed) await this.#serve(app)
    this.#options.guard.unwatch(this.#watch)
  }

  /** Ends an exchange that cannot continue because of the client: with an error document if no response has begun. */
  refuse(error: RegistryError): void {
    if (this.#outgoing.headersSent) {
      this.#outgoing.destroy()
      return
    }
    const { headers, body, status } = errorResponse(error, this.#incoming.method ?? '')
    this.#refusal = error
    this.#writeHead({ status, headers }, true)
    // Once the response has ended, Node no longer makes a read of the request body fail when the connection closes.
    this.#outgoing.end(body, () => this.#incoming.destroy())
  }

  async #serve(app: App): Promise<void> {
    const handled = await this.#handle(app)
    const body = handled.response?.body
    const fault = await this.#respond(handled.response)
      // Also when the client has closed the connection before the first byte: the body has not been iterated then.
      .finally(() => closeBody(body))
      .catch(error => {
        // The status has been sent: only a broken connection tells the client that the body is incomplete.
        this.#outgoing.destroy()
        return error instanceof ClientGone ? undefined : error
      })
    await this.#closed
    this.#record(handled, handled.fault ?? fault)
  }

  async #handle(app: App): Promise<HandledRequest> {
    try {
      return await app(readRequest(this.#incoming, this.#body, this.#client))
    } catch (error) {
      const expected = error instanceof RegistryError ? error : explainExhaustion(error)
      const reported = expected ?? new RegistryError('UNKNOWN')
      return {
        ...refuse(reported, this.#incoming.method ?? ''),
        ...(reported !== error && { fault: error }),
      }
    }
  }

  async #respond(response: HttpResponse | undefined): Promise<void> {
    const outgoing = this.#outgoing
    if (outgoing.headersSent || outgoing.destroyed) return
    if (!response) {
      outgoing.destroy()
      return
    }
    const isUnread = !this.#incoming.complete
    this.#writeHead(response, isUnread || this.#options.stopping())
    this.#bytesOut = await writeBody(outgoing, response.body, this.#watch, !isUnread)
    if (!isUnread) return
    this.#hasResponded = true
    if (await this.#body.drain(this.#options.drain)) await this.#linger()
    else outgoing.end()
  }

  /**
   * Closes our half of a connection on which the client sends more than we read, and gives the client time for the response:
   * it may look for one only when it can write no more. Closing both halves resets the connection.
   */
  async #linger(): Promise<void> {
    this.#incoming.socket.end()
    await Promise.race([this.#closed, delay(this.#options.drain.ms, undefined, { ref: false })])
    this.#outgoing.destroy()
  }

  #writeHead(response: HttpResponse, close: boolean): void {
    writeHead(this.#outgoing, response, {
      'x-request-id': this.#requestId,
      ...(close && { connection: 'close' }),
    })
  }

  #record(handled: HandledRequest, fault: unknown): void {
    const { writableFinished, statusCode } = this.#outgoing
    const hasStatus = writableFinished || this.#hasResponded || fault !== undefined
    const refusal = this.#refusal
    this.#options.log.write(
      accessRecord(
        {
          requestId: this.#requestId,
          startedAt: this.#startedAt,
          durationMs: performance.now() - this.#started,
          status: hasStatus ? statusCode : 499,
          bytesIn: this.#body.received,
          bytesOut: this.#bytesOut,
          method: this.#incoming.method,
          agent: this.#incoming.headers['user-agent'],
          remote: this.#client.remote,
        },
        refusal ? { ...handled, code: refusal.code } : handled,
      ),
    )
    if (fault !== undefined) this.#options.log.write(faultRecord(Date.now(), fault, this.#requestId))
  }
}
