import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientRequest, type IncomingHttpHeaders, request as sendPlain } from 'node:http'
import { connect } from 'node:http2'
import { request as sendSecure } from 'node:https'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly bytes: Buffer
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** How many copies of the body are sent, concatenated. Default: one. */
  readonly copies?: number
  /** Sends the request without a login. */
  readonly anonymous?: boolean
  /** Sends the body with chunked transfer encoding, without Content-Length. */
  readonly chunked?: boolean
}

/** Timeout of an idle connection. CloudFront waits 120 s for S3 and the relay. */
const IDLE_TIMEOUT_MS = 130_000
/** Bytes per write to the socket. */
const WRITE_SIZE = 65_536

/** An HTTP client for one deployed registry. It follows no redirects, does not retry, and adds only the login. */
export class Client {
  readonly #origin: URL
  readonly #authorization: Readonly<Record<string, string>>

  constructor(origin: string, login?: { readonly user: string; readonly password: string }) {
    this.#origin = new URL(origin)
    const basic = login && Buffer.from(`${login.user}:${login.password}`).toString('base64')
    this.#authorization = basic ? { authorization: `Basic ${basic}` } : {}
  }

  /** The registry's URL, without a slash at the end. */
  get origin(): string {
    return this.#origin.origin
  }

  /** @param target a path of the registry, or the URL of another server, which does not receive the login */
  request(method: string, target: string, options: RequestOptions = {}): Promise<Reply> {
    const { headers = {}, body, copies = 1, anonymous, chunked } = options
    const url = new URL(target, this.#origin)
    const send = url.protocol === 'https:' ? sendSecure : sendPlain
    const isRegistry = url.origin === this.#origin.origin
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const request = send(
      url,
      {
        method,
        agent: false,
        timeout: IDLE_TIMEOUT_MS,
        headers: {
          ...(isRegistry && !anonymous && this.#authorization),
          ...(body && !chunked && { 'content-length': String(copies * body.length) }),
          ...headers,
        },
      },
      async response => {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk)
        const bytes = Buffer.concat(chunks)
        resolve({ status: response.statusCode ?? 0, headers: joinValues(response.headers), bytes })
      },
    )
    request.on('error', reject)
    request.on('timeout', () => request.destroy(new Error('the registry did not respond in time')))
    write(request, body, copies).catch(reject)
    return promise
  }

  /**
   * Sends a request over HTTP/2, where Content-Length is optional.
   * @returns undefined for an `http:` address: servers offer HTTP/2 over TLS only
   */
  async requestOverHttp2(method: string, target: string, body: Uint8Array): Promise<Reply | undefined> {
    if (this.#origin.protocol !== 'https:') return undefined
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const session = connect(this.#origin.origin)
    session.on('error', reject)
    const stream = session.request({
      ...{ ':method': method, ':path': target, 'content-length': String(body.length) },
      ...this.#authorization,
    })
    stream.setTimeout(IDLE_TIMEOUT_MS, () =>
      stream.destroy(new Error('the registry did not respond in time')),
    )
    stream.on('error', reject)
    stream.on('response', async headers => {
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk)
      resolve({ status: headers[':status'] ?? 0, headers: joinValues(headers), bytes: Buffer.concat(chunks) })
    })
    stream.end(body)
    return promise.finally(() => session.close())
  }
}

/** Waits for the socket after each copy, so that an early response is read before a write fails. */
async function write(request: ClientRequest, body: Uint8Array | undefined, copies: number): Promise<void> {
  for (let copy = 0; body && copy < copies; copy++) {
    if (request.writableNeedDrain) await once(request, 'drain')
    for (let at = 0; at < body.length; at += WRITE_SIZE) request.write(body.subarray(at, at + WRITE_SIZE))
  }
  request.end()
}

/** @param copies how many copies of the bytes are hashed */
export function digestOf(bytes: Uint8Array, copies = 1): string {
  const hash = createHash('sha256')
  for (let copy = 0; copy < copies; copy++) hash.update(bytes)
  return `sha256:${hash.digest('hex')}`
}

/** Random bytes, so that the registry does not have them yet. */
export function freshBytes(size: number): Buffer {
  return randomBytes(size)
}

function joinValues(headers: IncomingHttpHeaders): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.toString()]))
}
