import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { route } from '../http/router.ts'
import { jsonResponse } from './responses.ts'

const FRONT_PAGE = Buffer.from('This is a container registry. Its API is at /v2/.\n')

/**
 * The health check for load balancers and probes. 200 means that the process has opened its storage and serves
 * requests. It does not read from the storage: a probe costs no storage access, and slow storage does not make an
 * orchestrator restart a server that would recover by itself.
 */
async function health(request: HttpRequest): Promise<HttpResponse> {
  return forMethod(request, jsonResponse({ status: 'ok' }, { 'cache-control': 'no-store' }))
}

/**
 * The page at `/`, for people and probes. It does not show the version, which would help an attacker choose an exploit.
 */
async function frontPage(request: HttpRequest): Promise<HttpResponse> {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(FRONT_PAGE.length) }
  return forMethod(request, { status: 200, headers, body: FRONT_PAGE })
}

function forMethod({ method }: HttpRequest, { status, headers, body }: HttpResponse): HttpResponse {
  return { status, headers, ...(method !== 'HEAD' && body && { body }) }
}

/** These routes require no login, whatever the policy is. */
export const healthRoutes = [
  route('GET', '/healthz', 'none', health),
  route('HEAD', '/healthz', 'none', health),
  route('GET', '/', 'none', frontPage),
  route('HEAD', '/', 'none', frontPage),
]
