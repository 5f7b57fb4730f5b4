import { type App, refuse } from '../http/app.ts'
import { viewerAddress } from '../http/forwarded-for.ts'
import type { HttpRequest } from '../http/message.ts'
import { RegistryError } from '../protocol/errors.ts'

/** The edge header. CloudFront adds it to every request that it forwards, and replaces one that a client sent. */
export const EDGE_HEADER = 'x-longshore-edge'
/**
 * The host that the client used. The edge function sets it, because CloudFront calls the API and the relay by other
 * host names.
 */
const HOST_HEADER = 'x-longshore-host'

/**
 * Rejects requests that did not come through CloudFront. Otherwise a client could bypass CloudFront's checks and limits
 * by calling the API directly.
 * @param isEdge verifies the edge header. When it fails because the secrets cannot be read, the response is 503.
 */
export function requireEdge(app: App, isEdge: (header: string | undefined) => Promise<boolean>): App {
  return async request => {
    try {
      if (await isEdge(request.headers[EDGE_HEADER])) return app(asReceivedByEdge(request))
    } catch (fault) {
      return { ...refuse(new RegistryError('UNAVAILABLE'), request.method), fault }
    }
    return refuse(
      new RegistryError('DENIED', {
        detail: { reason: 'requests must be sent to the domain of the registry, not to the API endpoint' },
      }),
      request.method,
    )
  }
}

/** The request with the client's address and the host that the client used. */
function asReceivedByEdge(request: HttpRequest): HttpRequest {
  const { [HOST_HEADER]: host, 'x-forwarded-for': forwardedFor } = request.headers
  const viewer = viewerAddress(forwardedFor)
  return {
    ...request,
    ...(host && { origin: { url: `https://${host}`, isConfigured: false } }),
    ...(viewer && { remote: viewer }),
  }
}
