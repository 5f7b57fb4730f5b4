import { listedOrigin } from './cors.ts'
import type { HttpRequest } from './message.ts'
import { hostOfOrigin } from './origin.ts'

/** Methods that change nothing. A page of another site cannot read their responses unless its origin is listed. */
const SAFE = ['GET', 'HEAD']

/**
 * Whether a browser sends the request on behalf of a page of another site (CSRF). Such a request is dangerous because
 * the browser adds the credentials that it remembers, and because it can reach a registry without logins that accepts
 * connections from this machine only. Registry clients send neither `Sec-Fetch-Site` nor `Origin`. Browsers send at
 * least one of them, and a page cannot change them (Fetch Metadata, and RFC 6454 for `Origin`).
 * @param trusted origins whose pages have the same access as the registry's own pages
 */
export function isCrossSite(request: HttpRequest, trusted: readonly string[] = []): boolean {
  const { method, headers, origin } = request
  if (SAFE.includes(method) || listedOrigin(request, trusted) !== undefined) return false
  const { 'sec-fetch-site': site, origin: page } = headers
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  // The schemes are not compared, because a proxy that terminates TLS changes the scheme.
  return page !== undefined && hostOfOrigin(page) !== hostOfOrigin(origin?.url)
}
