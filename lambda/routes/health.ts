import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { route } from '../http/router.ts'
import { jsonResponse } from './responses.ts'

const FRONT_PAGE = Buffer.from('This is a container registry. Its API is at /v2/.\n')

/**
 * What load balancers and probes ask. 200 means that the process has opened its storage and answers requests. It reads nothing: a
 * probe costs no storage access, and slow storage does not make an orchestrator restart a server that would recover by itself.
 */
async function health(request: HttpRequest): Promise<HttpResponse> {
  return forMethod(request, jsonResponse({ status: 'ok' }, { 'cache-control': 'no-store' }))
}

/** What a person or a probe finds at the bare address. It names no version, which would help an attacker choose. */
async function frontPage(request: HttpRequest): Promise<HttpResponse> {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(FRONT_PAGE.length) }
  return forMethod(request, { status: 200, headers, body: FRONT_PAGE })
}

function forMethod({ method }: HttpRequest, { status, headers, body }: HttpResponse): HttpResponse {
  return { status, headers, ...(method !== 'HEAD' && body && { body }) }
}

/** Answered without a login, whatever the policy says. */
export const healthRoutes = [
  route('GET', '/healthz', 'none', health),
  route('HEAD', '/healthz', 'none', health),
  route('GET', '/', 'none', frontPage),
  route('HEAD', '/', 'none', frontPage),
]
