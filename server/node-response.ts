import type { ServerResponse } from 'node:http'
import { ClientGone, type HttpResponse } from '../lambda/http/message.ts'
import type { Watch } from './stall-guard.ts'

/** Bytes of one write to the socket. A slow client must take one slice within a window of the stall guard. */
const SLICE_SIZE = 256 * 1024

/**
 * Writes status and headers, and adds a missing Content-Length: without it Node would send even an empty body in
 * chunks.
 * @param more further headers
 */
export function writeHead(
  outgoing: ServerResponse,
  response: HttpResponse,
  more: Record<string, string>,
): void {
  const { status, headers, body } = response
  const length = body === undefined ? 0 : body instanceof Uint8Array ? body.length : undefined
  const sized =
    'content-length' in headers || outgoing.req.method === 'HEAD' || status === 204 || status === 304
  if (!sized && length !== undefined) more['content-length'] = String(length)
  outgoing.writeHead(status, { ...headers, ...more })
}

/**
 * Sends the body. A piece is requested after the system has taken the previous one, so the app may reuse its memory.
 * @param end whether to end the response
 * @returns the number of bytes sent
 * @throws {ClientGone} when the connection closes first
 */
export async function writeBody(
  outgoing: ServerResponse,
  body: HttpResponse['body'],
  watch: Watch,
  end: boolean,
): Promise<number> {
  watch.waiting = true
  if (body === undefined || outgoing.req.method === 'HEAD') {
    if (end) outgoing.end()
    else outgoing.flushHeaders()
    return 0
  }
  if (body instanceof Uint8Array && body.length <= SLICE_SIZE) {
    if (end) outgoing.end(body)
    else outgoing.write(body)
    return body.length
  }
  const sent = await pump(outgoing, body instanceof Uint8Array ? [body] : body, watch)
  if (end) outgoing.end()
  return sent
}

async function pump(
  outgoing: ServerResponse,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  watch: Watch,
): Promise<number> {
  let sent = 0
  // Breaks the connection when the body is shorter or longer than its Content-Length.
  outgoing.strictContentLength = true
  watch.waiting = false
  for await (const piece of pieces) {
    watch.waiting = true
    for (let at = 0; at < piece.length; at += SLICE_SIZE) {
      const slice = piece.subarray(at, at + SLICE_SIZE)
      await handOver(outgoing, slice)
      watch.moved += slice.length
      sent += slice.length
    }
    watch.waiting = false
  }
  watch.waiting = true
  return sent
}

/**
 * Resolves when the system has taken every byte.
 * @throws {ClientGone} when the connection closes first. Node drops a write to a destroyed socket and does not call
 * back.
 */
function handOver(outgoing: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (cause?: Error) =>
      reject(new ClientGone('the connection ended before the response did', { cause }))
    outgoing.once('close', onClose)
    outgoing.write(bytes, error => {
      outgoing.off('close', onClose)
      if (error) onClose(error)
      else resolve()
    })
  })
}
