import { createHash, randomBytes } from 'node:crypto'
import { type IncomingHttpHeaders, request as sendPlain } from 'node:http'
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
  /** Sends the body without its length, in chunks. */
  readonly chunked?: boolean
}

/** How long an answer may take, in milliseconds. */
const PATIENCE = 90_000

/** Sends requests as they stand to one deployed registry. Nothing is followed, repeated or added but the login. */
export class Client {
  readonly #origin: URL
  readonly #authorization: Readonly<Record<string, string>>

  constructor(origin: string, login?: { readonly user: string; readonly password: string }) {
    this.#origin = new URL(origin)
    const basic = login && Buffer.from(`${login.user}:${login.password}`).toString('base64')
    this.#authorization = basic ? { authorization: `Basic ${basic}` } : {}
  }

  /** @param target a path of the registry, or a whole URL, which gets no login */
  ask(method: string, target: string, { headers = {}, body, chunked }: Sent = {}): Promise<Reply> {
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
          ...(ours && this.#authorization),
          ...(body && !chunked && { 'content-length': String(body.length) }),
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
    if (body) for (let at = 0; at < body.length; at += 65_536) request.write(body.subarray(at, at + 65_536))
    request.end()
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

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Bytes that nobody has pushed before. */
export function freshBytes(size: number): Buffer {
  return randomBytes(size)
}

function flat(headers: IncomingHttpHeaders): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.toString()]))
}
