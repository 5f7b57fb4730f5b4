import { RegistryError } from '../../protocol/errors.ts'
import type { NameAndPassword } from './logins.ts'

/** The parsed value of an Authorization header (RFC 9110, section 11.4). */
export type Authorization =
  | { readonly scheme: 'none' }
  | { readonly scheme: 'basic'; readonly login: NameAndPassword }
  | { readonly scheme: 'bearer'; readonly token: string }

/** A scheme, spaces and credentials without spaces. Schemes are case-insensitive. */
const HEADER = /^(\w+) +(\S+) *$/

/**
 * Parses an Authorization header. The token of Bearer is not verified here.
 * @param header absent or empty if the request has none
 * @throws {RegistryError} UNAUTHORIZED for another scheme, for a header without credentials, and for Basic credentials
 *   without a name or a colon (RFC 7617)
 */
export function parseAuthorization(header: string | undefined): Authorization {
  if (!header) return { scheme: 'none' }
  const [, scheme = '', credentials = ''] = HEADER.exec(header) ?? []
  switch (scheme.toLowerCase()) {
    case 'basic':
      return { scheme: 'basic', login: parseBasic(credentials) }
    case 'bearer':
      return { scheme: 'bearer', token: credentials }
    default:
      throw new RegistryError('UNAUTHORIZED', { detail: { scheme } })
  }
}

function parseBasic(credentials: string): NameAndPassword {
  const text = Buffer.from(credentials, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 1)
    throw new RegistryError('UNAUTHORIZED', {
      detail: { reason: 'Basic credentials must be a name and a password, separated by a colon' },
    })
  return { name: text.slice(0, colon), password: text.slice(colon + 1) }
}
