import { hostOf, type Request } from './message.ts'

/** What changes nothing, and whose answer a page of another site may not read anyway: we never say that it may. */
const SAFE = ['GET', 'HEAD']

/**
 * Whether a browser sends this on behalf of a page that is not ours. It adds the login that it remembers, and where nobody logs in it
 * reaches what only this machine should. No client of registries says any of these headers; browsers always say one of them, and
 * a page cannot change what they say (Fetch Metadata, and `Origin` of RFC 6454).
 */
export function isCrossSite({ method, headers, origin }: Request): boolean {
  if (SAFE.includes(method)) return false
  const { 'sec-fetch-site': site, origin: page } = headers
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  // Without the scheme: what ends TLS before us changes it.
  return page !== undefined && hostOf(page) !== hostOf(origin)
}
