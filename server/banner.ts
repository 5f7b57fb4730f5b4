import type { AddressInfo } from 'node:net'
import about from '../package.json' with { type: 'json' }

const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/
const ANY = /^(?:0\.0\.0\.0|::)$/

interface BannerParts {
  readonly address: AddressInfo
  readonly secure: boolean
  readonly data: string
  /** Whether logins are turned off (`--auth open`). */
  readonly open: boolean
  /** The configured public origin. */
  readonly origin?: string | undefined
}

/** The text on standard output after the start: the address, the data folder, and commands to try. */
export function startupBanner({ address, secure, data, open, origin }: BannerParts): string {
  const here = `${secure ? 'https' : 'http'}://${displayHost(address.address)}:${address.port}`
  const registry = new URL(origin ?? here).host
  const lines = [
    `Longshore ${about.version} listens on ${here}`,
    `  data   ${data}`,
    `  try    docker tag alpine ${registry}/alpine`,
    `         docker push ${registry}/alpine`,
    `         docker pull ${registry}/alpine`,
  ]
  if (open && !LOOPBACK.test(address.address))
    lines.push(
      '  NOTE   logins are turned off (--auth open): anyone who reaches this port can push, pull and delete',
    )
  return lines.join('\n')
}

/**
 * The host part of a URL for people. `localhost` is easier to read than an address, and Docker trusts it without TLS.
 */
function displayHost(address: string): string {
  if (LOOPBACK.test(address) || ANY.test(address)) return 'localhost'
  return address.includes(':') ? `[${address}]` : address
}
