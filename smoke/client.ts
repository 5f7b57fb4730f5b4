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
  /** How often the body is sent, one behind the other, as one. */
  readonly copies?: number
  /** Sends no login. */
  readonly anonymous?: boolean
  /** Sends the body without its length, in chunks. */
  readonly chunked?: boolean
}

/** How long nothing may come or go, in milliseconds. The edge itself waits for S3 and the relay for 120 s. */
const PATIENCE = 130_000
const PIECE = 65_536

/** Sends requests as they stand to one deployed registry. Nothing is followed, repeated or added but the login. */
export class Client {
  readonly #origin: URL
  readonly #authorization: Readonly<Record<string, string>>

  constructor(origin: string, login?: { readonly user: string; readonly password: string }) {
    this.#origin = new URL(origin)
    const basic = login && Buffer.from(`${login.user}:${login.password}`).toString('base64')
    this.#authorization = basic ? { authorization: `Basic ${basic}` } : {}
  }

  /** As clients name it, without a slash at the end. */
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
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    write(request, body, copies).catch(reject)
    return promise
  }

  /** The same over HTTP/2, in whose frames a length is only one more header. Undefined where it is not spoken. */
  async askByHttp2(method: string, target: string, body: Uint8Array): Promise<Reply | undefined> {
    if (this.#origin.protocol !== 'https:') return undefined
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const session = connect(this.#origin.origin)
    session.on('error', reject)
    const stream = session.request({
      ...{ ':method': method, ':path': target, 'content-length': String(body.length) },
      ...this.#authorization,
    })
    stream.setTimeout(PATIENCE, () => stream.destroy(new Error('no answer in time')))
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

/** One copy at once, so that an answer which comes early is read before it is noticed that nobody listens any more. */
async function write(request: ClientRequest, body: Uint8Array | undefined, copies: number): Promise<void> {
  for (let copy = 0; body && copy < copies; copy++) {
    if (request.writableNeedDrain) await once(request, 'drain')
    for (let at = 0; at < body.length; at += PIECE) request.write(body.subarray(at, at + PIECE))
  }
  request.end()
}

/** @param copies how often the bytes follow each other */
export function digestOf(bytes: Uint8Array, copies = 1): string {
  const hash = createHash('sha256')
  for (let copy = 0; copy < copies; copy++) hash.update(bytes)
  return `sha256:${hash.digest('hex')}`
}

/** Bytes that nobody has pushed before. */
export function freshBytes(size: number): Buffer {
  return randomBytes(size)
}

function flat(headers: IncomingHttpHeaders): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.toString()]))
}
