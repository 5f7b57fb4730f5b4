import { createHash } from 'node:crypto'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Algorithm } from './random-bytes.ts'

export interface SendOptions {
  /** `GET` when absent. */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** An iterable is streamed, without a Content-Length unless `headers` contains one. */
  readonly body?: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

export interface ReceivedResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
}

/**
 * Sends a request on a new connection, which is closed afterwards. A connection pool would keep connections to a server
 * that a test kills.
 * @throws {Error} when the connection breaks before the response is complete
 */
export async function send(url: string, options: SendOptions = {}): Promise<ReceivedResponse> {
  const response = await exchange(url, options)
  const bytes = Buffer.concat(await (response as Readable).toArray())
  return { status: response.statusCode ?? 0, headers: response.headers, bytes }
}

/** Reads a body of any size without holding it in memory. Returns its digest. */
export async function digestAt(url: string, algorithm: Algorithm = 'sha256'): Promise<string> {
  const response = await exchange(url, {})
  if (response.statusCode !== 200) throw new Error(`GET ${url} returned ${response.statusCode}`)
  const hash = createHash(algorithm)
  for await (const chunk of response) hash.update(chunk)
  return `${algorithm}:${hash.digest('hex')}`
}

function exchange(
  url: string,
  { method = 'GET', headers = {}, body }: SendOptions,
): Promise<IncomingMessage> {
  const length = body instanceof Uint8Array ? { 'content-length': `${body.length}` } : {}
  const outgoing = request(url, { method, headers: { ...length, ...headers }, agent: false })
  const response = new Promise<IncomingMessage>((resolve, reject) =>
    outgoing.once('response', resolve).once('error', reject),
  )
  if (body === undefined) outgoing.end()
  else if (body instanceof Uint8Array) outgoing.end(body)
  // A broken connection rejects `response`. A response before the end of the body is a valid response.
  else pipeline(Readable.from(body), outgoing).catch(() => {})
  return response
}
