import type { IncomingMessage } from 'node:http'
import { type ClientView, forwardedView, isForwarded, isProxy, proxyList } from './forwarded.ts'
import type { Log } from './log.ts'
import { directView } from './node-request.ts'

/**
 * Says who sends a request, through the proxies that are trusted. The first time that another peer sends a proxy's header, the log
 * says how to trust it: behind a proxy that nobody has named, the realm of a login says `http`, and all clients share one address.
 * @param trusted addresses and CIDRs
 */
export function clientView(trusted: readonly string[], log: Log): (incoming: IncomingMessage) => ClientView {
  const proxies = proxyList(trusted)
  let warned = false
  return incoming => {
    const direct = directView(incoming)
    if (!isForwarded(incoming.headers)) return direct
    if (!warned && !isProxy(direct.remote, proxies)) {
      warned = true
      log.tell(
        'warning',
        `${direct.remote} sends X-Forwarded-* or Forwarded, which is ignored; if it is your proxy, start with --trusted-proxies ${direct.remote}`,
      )
    }
    return forwardedView(direct, incoming.headers, proxies)
  }
}
