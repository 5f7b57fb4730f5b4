import { listedPage } from './cors.ts'
import type { HttpRequest } from './message.ts'
import { hostOfOrigin } from './origin.ts'

/** Methods that change nothing. A page of another site cannot read the response, unless its origin is listed (cors.ts). */
const SAFE = ['GET', 'HEAD']

/**
 * Whether a browser sends the request for a page of another site. A browser adds the credentials that it remembers, and it reaches
 * registries without logins that only this machine should reach. Registry clients send none of these headers. Browsers always send at
 * least one, and a page cannot change them (Fetch Metadata, and `Origin` of RFC 6454).
 * @param trusted origins whose pages have the same access as the registry's own
 */
export function isCrossSite(request: HttpRequest, trusted: readonly string[] = []): boolean {
  const { method, headers, origin } = request
  if (SAFE.includes(method) || listedPage(request, trusted) !== undefined) return false
  const { 'sec-fetch-site': site, origin: page } = headers
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  // The scheme is left out: a proxy that terminates TLS changes it.
  return page !== undefined && hostOfOrigin(page) !== hostOfOrigin(origin?.url)
}
