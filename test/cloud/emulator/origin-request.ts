import { once } from 'node:events'
import { type IncomingMessage, type RequestOptions, request as send } from 'node:http'
import type { HeaderList } from '../../support/edge-event.ts'

export const HOP_BY_HOP = [
  'connection',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
]

/** The headers of the request to an origin: those of the viewer without Host and hop-by-hop headers, and the viewer's address. */
export function forwardedHeaders(headers: HeaderList, viewer: IncomingMessage): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [name, value] of headers) {
    if (name === 'host' || HOP_BY_HOP.includes(name)) continue
    result[name] = result[name] === undefined ? value : `${result[name]}, ${value}`
  }
  const hops = [result['x-forwarded-for'], viewer.socket.remoteAddress].filter(Boolean).join(', ')
  return { ...result, 'x-forwarded-for': hops, via: '1.1 emulated.cloudfront.net (CloudFront)' }
}

/**
 * Sends a request to an origin and streams the viewer's body to it.
 * @returns the response as soon as its head has arrived; undefined if the origin does not respond
 */
export async function forward(
  options: RequestOptions,
  viewer: IncomingMessage,
): Promise<IncomingMessage | undefined> {
  const request = send({ ...options, agent: false })
  const responded = responseTo(request)
  request.flushHeaders()
  const abort = () => void (viewer.complete || request.destroy())
  viewer.pipe(request)
  viewer.once('close', abort)
  // The origin reads no more. The rest of the viewer's body is discarded, until the viewer has its response.
  request.once('error', () => {
    viewer.unpipe(request)
    viewer.resume()
  })
  return responded
}

/** Bytes of the body that versitygw reads before it evaluates the head. */
const PREFIX_SIZE = 8 * 1024
/** In milliseconds. */
const TIMEOUT_MS = 10_000

/**
 * Repeats a request, with only the beginning of a body, after the bucket closed the connection during the body. The bucket
 * refuses a request without reading its body, and Node loses that response to the connection reset that follows. The
 * repeated request writes nothing, because its body is incomplete.
 */
export async function readRefusal(options: RequestOptions): Promise<IncomingMessage | undefined> {
  const request = send({ ...options, agent: false, timeout: TIMEOUT_MS })
  request.once('timeout', () => request.destroy())
  const responded = responseTo(request)
  request.write(Buffer.alloc(PREFIX_SIZE))
  const response = await responded
  response?.once('end', () => request.destroy())
  return response
}

function responseTo(request: ReturnType<typeof send>): Promise<IncomingMessage | undefined> {
  // An error may also follow the response.
  request.on('error', () => {})
  return once(request, 'response').then(
    ([response]) => response as IncomingMessage,
    () => undefined,
  )
}
