import { type App, errorResponse, type HandledRequest } from '../http/app.ts'
import { viewerAddress } from '../http/forwarded-for.ts'
import type { HttpRequest } from '../http/message.ts'
import { RegistryError } from '../protocol/errors.ts'

/** What CloudFront adds to every request that it hands on. A client's own is taken off there. */
export const EDGE_HEADER = 'x-longshore-edge'
/** By what name CloudFront was asked: the edge function says it, since API and relay are asked by names of their own. */
const HOST_HEADER = 'x-longshore-host'

/**
 * The app for those who come by the edge. Everybody else is sent away before anything is looked at: what the edge checks
 * and limits could else be gone around at the address of the API.
 * @param isEdge may fail while it is not known what the edge says: then nobody is served.
 */
export function requireEdge(app: App, isEdge: (header: string | undefined) => Promise<boolean>): App {
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
function asAsked(request: HttpRequest): HttpRequest {
  const { [HOST_HEADER]: host, 'x-forwarded-for': hops } = request.headers
  const viewer = viewerAddress(hops)
  return { ...request, ...(host && { origin: `https://${host}` }), ...(viewer && { remote: viewer }) }
}

function refuse(error: RegistryError, { method }: HttpRequest): HandledRequest {
  return { response: errorResponse(error, method), code: error.code }
}
