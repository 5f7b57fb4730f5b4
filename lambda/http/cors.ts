import type { App, HandledRequest } from './app.ts'
import type { HttpRequest } from './message.ts'

/** What a page may send. Browsers ask before a request with another method or header than those of a form. */
const ALLOWED = {
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'access-control-allow-headers':
    'Accept, Authorization, Cache-Control, Content-Range, Content-Type, If-Match, If-None-Match, Range, X-Requested-With',
  /** Two hours, the most that Chromium remembers. Seconds. */
  'access-control-max-age': '7200',
}

/** What a page may read of an answer besides its body. */
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
 * Lets pages of these origins use the registry from a browser (CORS, in the Fetch standard). Each is named exactly, never by `*` or
 * `null`, so it may send the credentials that the browser remembers. To every other page the answers are as if this were not here.
 * @param origins such as `https://ui.example`, in the form in which a browser sends them
 */
export function withCors(app: App, origins: readonly string[]): App {
  if (origins.length === 0) return app
  return async request => {
    const page = listedPage(request, origins)
    if (page === undefined) return adding(await app(request), {})
    const granted = { 'access-control-allow-origin': page, 'access-control-allow-credentials': 'true' }
    if (isPreflight(request)) return preflight(granted)
    return adding(await app(request), { ...granted, ...EXPOSED })
  }
}

/** The origin of the page that sends this, if it is one of those listed. */
export function listedPage({ headers }: HttpRequest, origins: readonly string[]): string | undefined {
  return origins.find(origin => origin === headers.origin)
}

function isPreflight({ method, headers }: HttpRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
}

/** Answered without a login: a browser sends none with this question. */
function preflight(granted: Readonly<Record<string, string>>): HandledRequest {
  const headers = {
    ...granted,
    ...ALLOWED,
    vary: 'Origin',
    'docker-distribution-api-version': 'registry/2.0',
  }
  return { action: 'none', response: { status: 204, headers } }
}

/** The answer depends on `Origin`, also where that is absent: a cache must not give one page's answer to another. */
function adding(exchange: HandledRequest, more: Readonly<Record<string, string>>): HandledRequest {
  const { response } = exchange
  if (!response) return exchange
  const vary = [response.headers.vary, 'Origin'].filter(Boolean).join(', ')
  return { ...exchange, response: { ...response, headers: { ...response.headers, ...more, vary } } }
}
