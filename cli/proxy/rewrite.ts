import type { RegistryResponse } from '../../lambda/client/registry/registry.ts'
import type { HttpRequest } from '../../lambda/http/message.ts'

/** Headers of one connection (RFC 9110 section 7.6.1), and headers about the address of the registry. */
const DROPPED = new Set([
  'alt-svc',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'strict-transport-security',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Request headers that are not for the registry. */
const NOT_FORWARDED = new Set([
  ...DROPPED,
  'accept-encoding',
  'authorization',
  'content-length',
  'expect',
  'host',
  'proxy-authorization',
  'te',
  'user-agent',
])

/** The headers of a request as they go to the registry. Its body and its login are added elsewhere. */
export function forwardedHeaders({ headers }: HttpRequest): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !NOT_FORWARDED.has(entry[0]),
    ),
  )
}

/** What of a response names the address of the registry, and should name that of the proxy. */
interface Addresses {
  /** Of the registry. */
  readonly upstream: string
  /** By which the client knows the proxy; empty where it gave no usable `Host`. */
  readonly proxy: string
}

/** The headers of a response as they go to the client. */
export function rewrittenHeaders(
  { status, headers, url }: Pick<RegistryResponse, 'status' | 'headers' | 'url'>,
  addresses: Addresses,
): Record<string, string> {
  const kept = Object.entries(headers).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !DROPPED.has(entry[0]),
  )
  return Object.fromEntries(
    kept.map(([name, value]) => {
      if (name === 'location') return [name, locationFor(value, { status, url }, addresses)]
      if (name === 'www-authenticate')
        return [
          name,
          value.replace(/realm="([^"]*)"/gi, (_, realm) => `realm="${realmFor(realm, addresses)}"`),
        ]
      if (name === 'link')
        return [name, value.replace(/<([^>]*)>/g, (_, link) => `<${pathFor(link, url, addresses)}>`)]
      return [name, value]
    }),
  )
}

/** A redirect is followed by the client itself, past the proxy. Any other Location is the address of something that was made. */
function locationFor(
  location: string,
  { status, url }: Pick<RegistryResponse, 'status' | 'url'>,
  addresses: Addresses,
): string {
  if (status >= 300 && status < 400)
    return URL.canParse(location, url.href) ? new URL(location, url).href : location
  return pathFor(location, url, addresses)
}

/** A path where the URL is one of the registry, so that the client comes back to the address that it uses. */
function pathFor(link: string, base: URL, { upstream }: Addresses): string {
  if (!URL.canParse(link, base.href)) return link
  const { origin, pathname, search } = new URL(link, base)
  return origin === upstream ? pathname + search : link
}

/** Clients need an absolute URL here. The token server of another host gets the logins of clients directly. */
function realmFor(realm: string, { upstream, proxy }: Addresses): string {
  if (!URL.canParse(realm, upstream)) return realm
  const { origin, pathname, search } = new URL(realm, upstream)
  return origin === upstream ? proxy + pathname + search : realm
}
