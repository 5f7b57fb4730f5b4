import type { App, HandledRequest } from './app.ts'
import type { HttpRequest } from './message.ts'

/**
 * The methods and request headers that a page may use. A browser sends a preflight request before any that an HTML form
 * cannot send.
 */
const ALLOWED = {
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'access-control-allow-headers':
    'Accept, Authorization, Cache-Control, Content-Range, Content-Type, If-Match, If-None-Match, Range, X-Requested-With',
  /** Two hours, in seconds: the longest time for which Chromium caches the response to a preflight request. */
  'access-control-max-age': '7200',
}

/** The response headers that a page may read. */
const EXPOSED = {
  'access-control-expose-headers': [
    'Accept-Ranges',
    'Content-Length',
    'Content-Range',
    'Docker-Content-Digest',
    'Docker-Distribution-API-Version',
    'Docker-Upload-UUID',
    'ETag',
    'Link',
    'Location',
    'OCI-Chunk-Min-Length',
    'OCI-Filters-Applied',
    'OCI-Subject',
    'OCI-Tag',
    'Range',
    'Retry-After',
    'WWW-Authenticate',
    'X-Request-Id',
  ].join(', '),
}

/**
 * Allows pages of the given origins to use the registry from a browser (CORS, in the Fetch standard). Responses name
 * the origin exactly, never `*` or `null`, so the browser may send the credentials that it remembers. Pages of other
 * origins get no CORS headers.
 * @param origins such as `https://ui.example`, in the form in which a browser sends them
 */
export function withCors(app: App, origins: readonly string[]): App {
  if (origins.length === 0) return app
  return async request => {
    const origin = listedOrigin(request, origins)
    if (origin === undefined) return withHeaders(await app(request), {})
    const granted = { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' }
    if (isPreflight(request)) return preflight(granted)
    return withHeaders(await app(request), { ...granted, ...EXPOSED })
  }
}

/** The origin of the page that sends the request. `undefined` when the origin is not listed. */
export function listedOrigin({ headers }: HttpRequest, origins: readonly string[]): string | undefined {
  return origins.find(origin => origin === headers.origin)
}

function isPreflight({ method, headers }: HttpRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
}

/**
 * The response to a preflight request. It requires no login: a browser sends no credentials with a preflight request.
 */
function preflight(granted: Readonly<Record<string, string>>): HandledRequest {
  const headers = {
    ...granted,
    ...ALLOWED,
    vary: 'Origin',
    'docker-distribution-api-version': 'registry/2.0',
  }
  return { action: 'none', response: { status: 204, headers } }
}

/** Adds headers and `Vary: Origin`, because a cache must not give a page the response that another page got. */
function withHeaders(exchange: HandledRequest, more: Readonly<Record<string, string>>): HandledRequest {
  const { response } = exchange
  if (!response) return exchange
  const vary = [response.headers.vary, 'Origin'].filter(Boolean).join(', ')
  return { ...exchange, response: { ...response, headers: { ...response.headers, ...more, vary } } }
}
