import { RegistryError } from '../protocol/errors.ts'
import { type App, type Exchange, errorResponse } from './app.ts'
import type { Request } from './message.ts'

/** What CloudFront adds to every request that it hands on. A client's own is taken off there. */
export const EDGE_HEADER = 'x-longshore-edge'
/** By what name CloudFront was asked: the edge function says it, since API and relay are asked by names of their own. */
const HOST_HEADER = 'x-longshore-host'

/**
 * The app for those who come by the edge. Everybody else is sent away before anything is looked at: what the edge checks
 * and limits could else be gone around at the address of the API.
 * @param isEdge may fail while it is not known what the edge says: then nobody is served.
 */
export function behindEdge(app: App, isEdge: (header: string | undefined) => Promise<boolean>): App {
  return async request => {
    try {
      if (await isEdge(request.headers[EDGE_HEADER])) return app(asAsked(request))
    } catch (fault) {
      return { ...refuse(new RegistryError('UNAVAILABLE'), request), fault }
    }
    return refuse(
      new RegistryError('DENIED', { detail: { reason: 'ask at the address of the registry' } }),
      request,
    )
  }
}

/** The request as the edge had it: from whom, and at which host. */
function asAsked(request: Request): Request {
  const { [HOST_HEADER]: host, 'x-forwarded-for': hops } = request.headers
  const viewer = viewerIn(hops)
  return { ...request, ...(host && { origin: `https://${host}` }), ...(viewer && { remote: viewer }) }
}

/**
 * The client's address, from `X-Forwarded-For`. CloudFront puts the address of its peer behind whatever the client sent, and
 * whoever comes next that of CloudFront. So the last but one is true, and what stands left of it anyone could have written.
 */
export function viewerIn(hops = ''): string | undefined {
  return hops.split(',').at(-2)?.trim() || undefined
}

function refuse(error: RegistryError, { method }: Request): Exchange {
  return { response: errorResponse(error, method), code: error.code }
}
