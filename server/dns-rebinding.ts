import { isIP } from 'node:net'

/** Top-level domains that do not exist on the internet (RFC 2606, RFC 6762, and `internal`, which ICANN reserved). */
const PRIVATE = ['example', 'internal', 'invalid', 'local', 'localhost', 'test']

/**
 * Whether a `Host` header can only come from a client of the local network: it has an IP address, a name without a dot,
 * or a name in a private domain. A web page on the internet can make its own domain resolve to this machine, and its
 * requests then look local (DNS rebinding), but their `Host` header has the page's domain.
 */
export function isLocalHostname(host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase()
  if (isIP(name.replace(/^\[(.*)\]$/, '$1'))) return true
  const labels = name.split('.')
  return labels.length === 1 || PRIVATE.includes(labels.at(-1) ?? '')
}
