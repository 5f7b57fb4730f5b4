/** The parts of an address that logins are counted by, from the narrowest to the widest. */
export interface Networks {
  /** An IPv4 address, or the first 64 bits of an IPv6 address: a host commonly has all the 2^64 addresses that share them. */
  readonly narrow: string
  /** The first 48 bits of an IPv6 address: a site commonly has all the 65,536 networks that share them (RFC 6177). */
  readonly wide?: string
}

/** IPv6 prefixes whose addresses hold an IPv4 address in the last 32 bits: IPv4-mapped, IPv4-compatible, NAT64 (RFC 6052). */
const HOLD_IPV4 = ['0:0:0:0:0:ffff', '0:0:0:0:0:0', '64:ff9b:0:0:0:0']
const LOCALHOST = '0:0:0:0:0:0:0:1'

/** @param address in any spelling of RFC 4291. Any other text is a network of its own. */
export function networksOf(address: string): Networks {
  const groups = groupsOf(address)
  if (!groups) return { narrow: address }
  const isLocal = groups.join(':') === LOCALHOST
  if (HOLD_IPV4.includes(groups.slice(0, 6).join(':')) && !isLocal) return { narrow: ipv4Of(groups) }
  return { narrow: `${groups.slice(0, 4).join(':')}::/64`, wide: `${groups.slice(0, 3).join(':')}::/48` }
}

/** The eight groups of an IPv6 address, in lower case and without leading zeros. `::` stands for groups of zeros. */
function groupsOf(address: string): string[] | undefined {
  const [plain = ''] = address.toLowerCase().split('%') // a zone names an interface of ours
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
