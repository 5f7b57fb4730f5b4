import { createHash } from 'node:crypto'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Algorithm } from './random-bytes.ts'

export interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Batches are sent as they come, without a Content-Length unless the headers give one. */
  readonly body?: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
}

/**
 * One request on a connection of its own, which ends with it: a killed server leaves nothing in a pool.
 * @throws {Error} when the connection breaks before the answer is whole
 */
export async function send(url: string, sent: Sent = {}): Promise<Answer> {
  const { response, batches } = await exchange(url, sent)
  const bytes = Buffer.concat(await batches.toArray())
  return { status: response.statusCode ?? 0, headers: response.headers, bytes }
}

/** Reads a body of any size. Gives the digest of what came. */
export async function digestAt(url: string, algorithm: Algorithm = 'sha256'): Promise<string> {
  const { response, batches } = await exchange(url, {})
  if (response.statusCode !== 200) throw new Error(`GET ${url} answered ${response.statusCode}`)
  const hash = createHash(algorithm)
  for await (const batch of batches) hash.update(batch)
  return `${algorithm}:${hash.digest('hex')}`
}

async function exchange(url: string, { method = 'GET', headers = {}, body }: Sent) {
  const length = body instanceof Uint8Array ? { 'content-length': `${body.length}` } : {}
  const outgoing = request(url, { method, headers: { ...length, ...headers }, agent: false })
  const answered = new Promise<IncomingMessage>((resolve, reject) =>
    outgoing.once('response', resolve).once('error', reject),
  )
  if (body === undefined) outgoing.end()
  else if (body instanceof Uint8Array) outgoing.end(body)
  // A broken connection is told by `answered`; an answer before the end of the body is a whole answer.
  else pipeline(Readable.from(body), outgoing).catch(() => {})
  const response = await answered
  return { response, batches: response as Readable }
}
