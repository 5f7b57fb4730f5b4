import { RegistryError } from '../protocol/errors.ts'
import { type App, errorResponse } from './app.ts'

/** What CloudFront adds to every request that it hands on. A client's own is taken off there. */
export const EDGE_HEADER = 'x-longshore-edge'

/**
 * The app for those who come by the edge. Everybody else is sent away before anything is looked at: what the edge checks
 * and limits could else be gone around at the address of the API.
 */
export function behindEdge(app: App, isEdge: (header: string | undefined) => boolean): App {
  return async request => {
    if (isEdge(request.headers[EDGE_HEADER])) return app(request)
    const error = new RegistryError('DENIED', { detail: { reason: 'ask at the address of the registry' } })
    return { response: errorResponse(error, request.method), code: error.code }
  }
}
