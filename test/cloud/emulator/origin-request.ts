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

/** What goes to an origin: all viewer headers but Host, the length or the lack of one among them, and who asked. */
export function forwarded(headers: HeaderList, viewer: IncomingMessage): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of headers) {
    if (name === 'host' || HOP_BY_HOP.includes(name)) continue
    kept[name] = kept[name] === undefined ? value : `${kept[name]}, ${value}`
  }
  const hops = [kept['x-forwarded-for'], viewer.socket.remoteAddress].filter(Boolean).join(', ')
  return { ...kept, 'x-forwarded-for': hops, via: '1.1 emulated.cloudfront.net (CloudFront)' }
}

/**
 * Sends a request on, and the viewer's body as it comes.
 * @returns the answer, once its head is there; undefined when there is none
 */
export async function sendOn(
  options: RequestOptions,
  viewer: IncomingMessage,
): Promise<IncomingMessage | undefined> {
  const request = send({ ...options, agent: false })
  const answered = answerOf(request)
  request.flushHeaders()
  const giveUp = () => void (viewer.complete || request.destroy())
  viewer.pipe(request)
  viewer.once('close', giveUp)
  // The origin has heard enough. The viewer may go on, and is listened to until it has its answer.
  request.once('error', () => {
    viewer.unpipe(request)
    viewer.resume()
  })
  return answered
}

/** So much of a body versitygw wants before it looks at the head. */
const BEGINNING = 8 * 1024
/** Milliseconds. */
const PATIENCE = 10_000

/**
 * Asks the bucket once more that closed the connection before it had the whole body, with no more than the beginning of
 * one. It refuses without reading on, and Node loses that answer to the reset which follows. Nothing is written by a
 * request whose body never ends: those of the direct road are longer than a beginning.
 */
export async function hearRefusal(options: RequestOptions): Promise<IncomingMessage | undefined> {
  const request = send({ ...options, agent: false, timeout: PATIENCE })
  request.once('timeout', () => request.destroy())
  const answered = answerOf(request)
  request.write(Buffer.alloc(BEGINNING))
  const answer = await answered
  answer?.once('end', () => request.destroy())
  return answer
}

function answerOf(request: ReturnType<typeof send>): Promise<IncomingMessage | undefined> {
  // There may be errors behind the answer, too.
  request.on('error', () => {})
  return once(request, 'response').then(
    ([answer]) => answer as IncomingMessage,
    () => undefined,
  )
}
