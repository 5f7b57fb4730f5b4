/** The networks of a client address by which its logins are counted, from the narrowest to the widest. */
export interface Networks {
  /** The IPv4 address itself, or the IPv6 /64: one host commonly has all of its 2^64 addresses. */
  readonly narrow: string
  /** The IPv6 /48: one site commonly has all of its 65,536 /64 networks (RFC 6177). Absent for IPv4. */
  readonly wide?: string
}

/** The first 96 bits of IPv6 addresses that contain an IPv4 address: IPv4-mapped, IPv4-compatible, NAT64 (RFC 6052). */
const IPV4_PREFIXES = ['0:0:0:0:0:ffff', '0:0:0:0:0:0', '64:ff9b:0:0:0:0']
const LOCALHOST = '0:0:0:0:0:0:0:1'

/** @param address in any notation of RFC 4291. Any other text is a network of its own. */
export function networksOf(address: string): Networks {
  const groups = groupsOf(address)
  if (!groups) return { narrow: address }
  const isLocal = groups.join(':') === LOCALHOST
  if (IPV4_PREFIXES.includes(groups.slice(0, 6).join(':')) && !isLocal) return { narrow: ipv4Of(groups) }
  return { narrow: `${groups.slice(0, 4).join(':')}::/64`, wide: `${groups.slice(0, 3).join(':')}::/48` }
}

/**
 * The eight groups of an IPv6 address, in lower case and without leading zeros.
 * @returns undefined for any other text
 */
function groupsOf(address: string): string[] | undefined {
  const [plain = ''] = address.toLowerCase().split('%') // a zone id names an interface of this machine
  if (!plain.includes(':')) return undefined
  const halves = plain.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => hex(a, b, c, d)).split('::')
  const [front = [], back = []] = halves.map(half => half.split(':').filter(Boolean))
  const missing = 8 - front.length - back.length
  if (missing < 0 || (missing > 0 && halves.length !== 2)) return undefined
  const groups = [...front, ...Array<string>(missing).fill('0'), ...back]
  return groups.every(group => /^[0-9a-f]{1,4}$/.test(group))
    ? groups.map(group => Number.parseInt(group, 16).toString(16))
    : undefined
}

function hex(...bytes: readonly string[]): string {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.map(Number)
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

function ipv4Of(groups: readonly string[]): string {
  const [high = 0, low = 0] = groups.slice(6).map(group => Number.parseInt(group, 16))
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
