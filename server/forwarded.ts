import { BlockList, isIP, isIPv4 } from 'node:net'

/** The client of a request, and the scheme and host that the client used. */
export interface ClientView {
  /** The client's address. It is the address of the nearest proxy when no trusted header names the client. */
  readonly remote: string | undefined
  /** `http` or `https`. */
  readonly scheme: string
  /** The host that the client used, with its port. It comes from a header and is not validated. */
  readonly host: string
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Headers in which proxies name the client. `Forwarded` is RFC 7239; the others are a convention of most proxies. */
const FORWARDED_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host']

/** A name=value pair of a `Forwarded` element. The value is a token or a quoted string. */
const PAIR = /\s*([!#$%&'*+.^_`|~\w-]+)=(?:([!#$%&'*+.^_`|~\w:[\]-]+)|"((?:[^"\\]|\\.)*)")\s*([;,]|$)/y

/** Parses addresses and CIDRs such as 10.0.0.0/8. @throws {RangeError} for any other entry */
export function proxyList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix, ...rest] = entry.split('/')
    const family = isIP(address)
    const bits = family === 4 ? 32 : 128
    const length = prefix === undefined ? bits : Number(prefix)
    const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && length <= bits)
    if (family === 0 || !isPrefix || rest.length > 0) throw new RangeError(`not an address: ${entry}`)
    list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

/** Whether a request has a header in which proxies name the client. The header can be forged. */
export function isForwarded(headers: Headers): boolean {
  return FORWARDED_HEADERS.some(name => headers[name] !== undefined)
}

/** Whether an address belongs to one of the proxies. */
export function isProxy(address: string | undefined, proxies: BlockList): boolean {
  const plain = plainAddress(address ?? '')
  return plain !== undefined && proxies.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6')
}

/**
 * Returns the client as trusted proxies report it. The list of addresses is read from its end, where the nearest proxy
 * has added the address of its peer, up to the first address that is not a trusted proxy. A client can forge every
 * address left of that one.
 *
 * A client can also send one kind of header (`Forwarded` or `X-Forwarded-*`) through a proxy that only sets the other
 * kind. A value that both kinds have is therefore used only when they agree.
 * @param direct the peer of the connection and the request's own scheme and host
 */
export function forwardedView(direct: ClientView, headers: Headers, proxies: BlockList): ClientView {
  if (!isProxy(direct.remote, proxies)) return direct
  const convention = fromConvention(direct, headers, proxies)
  const standard = fromStandard(direct, headers, proxies)
  const agreed = (name: keyof ClientView) => {
    const [one, other] = [convention[name], standard[name]]
    return one === undefined || other === undefined || one === other ? (one ?? other) : undefined
  }
  return {
    remote: agreed('remote') ?? direct.remote,
    scheme: agreed('scheme') ?? direct.scheme,
    host: agreed('host') ?? direct.host,
  }
}

/** Reads `X-Forwarded-*`. Of several values the last one counts, because the nearest proxy has set or added it. */
function fromConvention({ remote }: ClientView, headers: Headers, proxies: BlockList): Partial<ClientView> {
  const hops = valuesOf(headers['x-forwarded-for'])
  const client = lastUntrusted(remote, hops, proxies)
  return definedOnly({
    remote: hops.length > 0 ? client.address : undefined,
    scheme: schemeIn(valuesOf(headers['x-forwarded-proto']).at(-1)),
    host: valuesOf(headers['x-forwarded-host']).at(-1),
  })
}

/** Reads `Forwarded`. The element that names the client also has the scheme and host that the client used. */
function fromStandard({ remote }: ClientView, headers: Headers, proxies: BlockList): Partial<ClientView> {
  const elements = parseForwarded(headers.forwarded?.toString() ?? '')
  if (elements.length === 0) return {}
  const hops = elements.map(element => element.get('for') ?? '')
  const client = lastUntrusted(remote, hops, proxies)
  const element = elements[client.at]
  return definedOnly({
    remote: elements.some(one => one.has('for')) ? client.address : undefined,
    scheme: schemeIn(element?.get('proto')),
    host: element?.get('host'),
  })
}

/**
 * The client's address, and the index of its hop. Stops at a proxy whose peer is not an address (`unknown`, `_hidden`).
 */
function lastUntrusted(peer: string | undefined, hops: readonly string[], proxies: BlockList) {
  let address = peer && plainAddress(peer)
  let at = hops.length
  while (at > 0 && isProxy(address, proxies)) {
    at -= 1
    const next = plainAddress(hops[at] ?? '')
    if (next === undefined) break
    address = next
  }
  return { address, at }
}

/** Parses `Forwarded`. @returns no elements when a part of the header is malformed */
function parseForwarded(header: string): ReadonlyMap<string, string>[] {
  const elements = [new Map<string, string>()]
  PAIR.lastIndex = 0
  while (PAIR.lastIndex < header.length) {
    const [, name, token, quoted, end] = PAIR.exec(header) ?? []
    if (name === undefined) return []
    elements.at(-1)?.set(name.toLowerCase(), token ?? quoted?.replace(/\\(.)/g, '$1') ?? '')
    if (end === ',') elements.push(new Map())
  }
  return elements.filter(({ size }) => size > 0)
}

/** Removes the port, brackets, and the prefix of an IPv4-mapped IPv6 address. */
function plainAddress(text: string): string | undefined {
  const [, bracketed, withPort] = /^(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+)$/.exec(text.trim()) ?? []
  const address = (bracketed ?? withPort ?? text.trim()).toLowerCase()
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1] ?? address
  return isIP(plain) ? plain : undefined
}

function schemeIn(text: string | undefined): string | undefined {
  const scheme = text?.toLowerCase()
  return scheme === 'http' || scheme === 'https' ? scheme : undefined
}

function valuesOf(header: string | string[] | undefined): string[] {
  return (header?.toString() ?? '')
    .split(',')
    .map(value => value.trim())
    .filter(Boolean)
}

function definedOnly(
  view: { readonly [N in keyof ClientView]: ClientView[N] | undefined },
): Partial<ClientView> {
  return Object.fromEntries(Object.entries(view).filter(([, value]) => value !== undefined))
}
