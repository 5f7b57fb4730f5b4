import * as http from 'node:http'
import * as https from 'node:https'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ClientError, reasonOf } from '../client-error.ts'

export type Bytes = AsyncIterable<Uint8Array>

export interface TransportRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** A stream needs a `content-length` among the headers, otherwise it is sent chunked. */
  readonly body?: Uint8Array | Bytes | undefined
  readonly signal?: AbortSignal | undefined
}

export interface TransportResponse {
  readonly status: number
  /** Lower-case names. A header sent twice is joined by `, `. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Must be read or destroyed, otherwise the connection stays open. */
  readonly body: Readable
}

/** A connection on which no byte moves for so long is broken. Milliseconds. */
const STALL_MS = 60_000
/** How long a registry may take over a body that it has received: it may hash or copy 5 GB. Milliseconds. */
const COMMIT_MS = 600_000

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

interface TransportOptions {
  readonly userAgent: string
  /** Variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly stallMs?: number
}

/** Sends single HTTP requests. It follows no redirect and retries nothing. */
export class Transport {
  readonly #agents: Readonly<Record<'http:' | 'https:' | 'local', http.Agent>>
  readonly #userAgent: string
  readonly #stallMs: number

  constructor({ userAgent, env, stallMs = STALL_MS }: TransportOptions) {
    const options = { keepAlive: true, ...(env && { proxyEnv: { ...env } }) }
    this.#agents = {
      'http:': new http.Agent(options),
      'https:': new https.Agent(options),
      local: new http.Agent({ keepAlive: true }),
    }
    this.#userAgent = userAgent
    this.#stallMs = stallMs
  }

  /** @throws {ClientError} where there is no response. The cause is the error of Node */
  async send({ method, url, headers, body, signal }: TransportRequest): Promise<TransportResponse> {
    signal?.throwIfAborted()
    const { request } = url.protocol === 'https:' ? https : http
    const bytes = body instanceof Uint8Array ? { 'content-length': String(body.length) } : {}
    const outgoing = request(url, {
      method,
      agent: this.#agentFor(url),
      headers: { 'user-agent': this.#userAgent, ...bytes, ...headers },
      ...(signal && { signal }),
    })
    outgoing.setTimeout(this.#stallMs, () => outgoing.destroy(stalled(this.#stallMs)))
    const response = new Promise<http.IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve)
      outgoing.on('error', reject)
    })
    try {
      const incoming = await Promise.race([response, this.#write(outgoing, body, response)])
      // A response that comes early ends the upload: nobody wants the rest of the body.
      incoming.once('close', () => {
        if (!outgoing.writableFinished) outgoing.destroy()
      })
      return toResponse(incoming)
    } catch (error) {
      outgoing.destroy()
      signal?.throwIfAborted()
      if (error instanceof ClientError) throw error
      throw new ClientError(`cannot reach ${url.host}: ${connectionReason(error, url)}`, { cause: error })
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }

  /** No proxy reaches this machine. */
  #agentFor({ protocol, hostname }: URL): http.Agent {
    if (protocol === 'https:') return this.#agents['https:']
    return LOOPBACK.test(hostname) ? this.#agents.local : this.#agents['http:']
  }

  /** Rejects where the body itself fails. A connection that breaks while it is sent is left to `response`, which may have arrived. */
  async #write(
    outgoing: http.ClientRequest,
    body: TransportRequest['body'],
    response: Promise<http.IncomingMessage>,
  ): Promise<http.IncomingMessage> {
    if (body === undefined || body instanceof Uint8Array) {
      outgoing.end(body)
      return response
    }
    let failure: unknown
    const source = Readable.from(
      guarded(body, error => {
        failure = error
      }),
      { objectMode: false },
    )
    try {
      await pipeline(source, outgoing)
      outgoing.setTimeout(Math.max(COMMIT_MS, this.#stallMs))
    } catch {
      if (failure) throw failure
    }
    return response
  }
}

async function* guarded(body: Bytes, failed: (error: unknown) => void): Bytes {
  try {
    yield* body
  } catch (error) {
    failed(error)
    throw error
  }
}

function toResponse(incoming: http.IncomingMessage): TransportResponse {
  const headers = Object.entries(incoming.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : value,
  ])
  return { status: incoming.statusCode ?? 0, headers: Object.fromEntries(headers), body: incoming }
}

function stalled(ms: number): Error {
  return new Error(`no byte arrived for ${ms / 1000} seconds`)
}

/** One sentence that says what to do. */
function connectionReason(error: unknown, url: URL): string {
  const { code = '' } = error as NodeJS.ErrnoException
  if (code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER')
    return `it does not use TLS; to connect without TLS, name it http://${url.host}`
  if (/SELF_SIGNED|UNABLE_TO|CERT/.test(code))
    return `its certificate is not trusted (${code}); to trust your own CA, set NODE_EXTRA_CA_CERTS=<file>`
  if (code === 'ECONNRESET' || code === 'EPIPE') return `the connection broke (${code})`
  return reasonOf(error)
}

/** Reads a small body. @throws {ClientError} above `limit` bytes, or where the connection breaks */
export async function readAll({ body }: Pick<TransportResponse, 'body'>, limit: number): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let size = 0
  try {
    for await (const piece of body) {
      size += piece.length
      if (size > limit) throw new ClientError(`the registry sent more than ${limit} bytes`)
      pieces.push(piece)
    }
  } catch (cause) {
    if (cause instanceof ClientError) throw cause
    throw new ClientError(`the registry broke the connection: ${reasonOf(cause)}`, { cause })
  }
  return Buffer.concat(pieces)
}

/** Gives the connection free. What a body may still hold is read up to 64 KiB; a larger one is cut off. */
export async function discard(response: TransportResponse): Promise<void> {
  try {
    await readAll(response, 64 * 1024)
  } catch {
    response.body.destroy()
  }
}
