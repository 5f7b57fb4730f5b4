import { RegistryError } from '../protocol/errors.ts'
import { type App, type Exchange, errorResponse } from './app.ts'
import type { Request } from './message.ts'

/** What CloudFront adds to every request that it hands on. A client's own is taken off there. */
export const EDGE_HEADER = 'x-longshore-edge'

/**
 * The app for those who come by the edge. Everybody else is sent away before anything is looked at: what the edge checks
 * and limits could else be gone around at the address of the API.
 * @param isEdge may fail while it is not known what the edge says: then nobody is served.
 */
export function behindEdge(app: App, isEdge: (header: string | undefined) => Promise<boolean>): App {
  return async request => {
    try {
      if (await isEdge(request.headers[EDGE_HEADER])) return app(request)
    } catch (fault) {
      return { ...refuse(new RegistryError('UNAVAILABLE'), request), fault }
    }
    return refuse(
      new RegistryError('DENIED', { detail: { reason: 'ask at the address of the registry' } }),
      request,
    )
  }
}

function refuse(error: RegistryError, { method }: Request): Exchange {
  return { response: errorResponse(error, method), code: error.code }
}
