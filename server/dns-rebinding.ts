import { isIP } from 'node:net'

/** Top-level domains in which nobody can have a name on the internet (RFC 2606 and 6762, and ICANN's choice of `internal`). */
const PRIVATE = ['example', 'internal', 'invalid', 'local', 'localhost', 'test']

/**
 * Whether a `Host` header names a machine that was meant. A page of the internet can let its own name lead to this machine and then
 * ask as if it came from here (DNS rebinding); it has neither an address for its name, nor a name without a dot, nor a private one.
 */
export function isLocalHostname(host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase()
  if (isIP(name.replace(/^\[(.*)\]$/, '$1'))) return true
  const labels = name.split('.')
  return labels.length === 1 || PRIVATE.includes(labels.at(-1) ?? '')
}
