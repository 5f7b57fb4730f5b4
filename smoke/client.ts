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

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** How many copies of the body are sent, concatenated. */
  readonly copies?: number
  /** Sends the request without a login. */
  readonly anonymous?: boolean
  /** Sends the body with chunked transfer encoding, without Content-Length. */
  readonly chunked?: boolean
}

/** Timeout of an idle connection, in milliseconds. CloudFront waits for S3 and the relay for 120 s. */
const PATIENCE = 130_000
const PIECE = 65_536

/** Sends requests to one deployed registry. It follows no redirects, retries nothing, and adds only the login. */
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

  /** @param target a path of the registry, or a whole URL, which gets no login */
  ask(method: string, target: string, sent: Sent = {}): Promise<Reply> {
    const { headers = {}, body, copies = 1, anonymous, chunked } = sent
    const url = new URL(target, this.#origin)
    const send = url.protocol === 'https:' ? sendSecure : sendPlain
    const ours = url.origin === this.#origin.origin
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const request = send(
      url,
      {
        method,
        agent: false,
        timeout: PATIENCE,
        headers: {
          ...(ours && !anonymous && this.#authorization),
          ...(body && !chunked && { 'content-length': String(copies * body.length) }),
          ...headers,
        },
      },
      async answer => {
        const pieces: Buffer[] = []
        for await (const piece of answer) pieces.push(piece)
        const bytes = Buffer.concat(pieces)
        resolve({ status: answer.statusCode ?? 0, headers: flat(answer.headers), bytes })
      },
    )
    request.on('error', reject)
    request.on('timeout', () => request.destroy(new Error('the registry did not respond in time')))
    write(request, body, copies).catch(reject)
    return promise
  }

  /** The same over HTTP/2, where Content-Length is optional. Undefined when the server does not support HTTP/2. */
  async askByHttp2(method: string, target: string, body: Uint8Array): Promise<Reply | undefined> {
    if (this.#origin.protocol !== 'https:') return undefined
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const session = connect(this.#origin.origin)
    session.on('error', reject)
    const stream = session.request({
      ...{ ':method': method, ':path': target, 'content-length': String(body.length) },
      ...this.#authorization,
    })
    stream.setTimeout(PATIENCE, () => stream.destroy(new Error('the registry did not respond in time')))
    stream.on('error', reject)
    stream.on('response', async headers => {
      const pieces: Buffer[] = []
      for await (const piece of stream) pieces.push(piece)
      resolve({ status: headers[':status'] ?? 0, headers: flat(headers), bytes: Buffer.concat(pieces) })
    })
    stream.end(body)
    return promise.finally(() => session.close())
  }
}

/** Yields one copy at a time, so that an early response is read before a write fails. */
async function write(request: ClientRequest, body: Uint8Array | undefined, copies: number): Promise<void> {
  for (let copy = 0; body && copy < copies; copy++) {
    if (request.writableNeedDrain) await once(request, 'drain')
    for (let at = 0; at < body.length; at += PIECE) request.write(body.subarray(at, at + PIECE))
  }
  request.end()
}

/** @param copies how many copies of the bytes are hashed */
export function digestOf(bytes: Uint8Array, copies = 1): string {
  const hash = createHash('sha256')
  for (let copy = 0; copy < copies; copy++) hash.update(bytes)
  return `sha256:${hash.digest('hex')}`
}

/** Random bytes, which no registry has. */
export function freshBytes(size: number): Buffer {
  return randomBytes(size)
}

function flat(headers: IncomingHttpHeaders): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.toString()]))
}
