import type { IncomingMessage } from 'node:http'
import { type ClientView, forwardedView, isForwarded, isProxy, proxyList } from './forwarded.ts'
import type { Log } from './log.ts'
import { directView } from './node-request.ts'

/**
 * Returns a function that finds out who sent a request: the peer of the connection, or the client that a trusted proxy
 * names. When an untrusted peer sends a proxy's header for the first time, the log has a warning that says how to trust
 * it. Behind an untrusted proxy the realm of a login begins with `http:`, and all clients share one address.
 * @param trusted addresses and CIDRs of proxies
 */
export function clientView(trusted: readonly string[], log: Log): (incoming: IncomingMessage) => ClientView {
  const proxies = proxyList(trusted)
  let warned = false
  return incoming => {
    const direct = directView(incoming)
    if (!isForwarded(incoming.headers)) return direct
    if (!warned && !isProxy(direct.remote, proxies)) {
      warned = true
      log.notify(
        'warning',
        `${direct.remote} sends an X-Forwarded-* or Forwarded header, which is ignored; if it is your proxy, start with --trusted-proxies ${direct.remote}`,
      )
    }
    return forwardedView(direct, incoming.headers, proxies)
  }
}
