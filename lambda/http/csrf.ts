import { listedPage } from './cors.ts'
import { type HttpRequest, hostOf } from './message.ts'

/** They change nothing. A page of another site cannot read the answer, unless its origin is listed (cors.ts). */
const SAFE = ['GET', 'HEAD']

/**
 * Whether a browser sends this on behalf of a page that is not ours. It adds the login that it remembers, and where nobody logs in it
 * reaches what only this machine should. No client of registries says any of these headers; browsers always say one of them, and
 * a page cannot change what they say (Fetch Metadata, and `Origin` of RFC 6454).
 * @param trusted origins whose pages may do what the registry's own may
 */
export function isCrossSite(request: HttpRequest, trusted: readonly string[] = []): boolean {
  const { method, headers, origin } = request
  if (SAFE.includes(method) || listedPage(request, trusted) !== undefined) return false
  const { 'sec-fetch-site': site, origin: page } = headers
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  // Without the scheme: what ends TLS before us changes it.
  return page !== undefined && hostOf(page) !== hostOf(origin)
}
