import { RegistryError } from '../../protocol/errors.ts'
import { FEDERATED } from './federated/login.ts'

/**
 * Account names as in other registries and htpasswd files: `Jenkins`, `ci+bot`, `john.doe@corp.com`. Names are
 * case-sensitive. A name has no colon, which ends the name in Basic credentials; no slash, which separates the segments
 * of a path; no `*`, so it is never a pattern; and no `#`, which separates the parts of table keys.
 */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/
const NAME_RULE = '1 to 128 letters, digits and . _ - @ +, and must begin with a letter or a digit'
/** Names with a meaning in policies or at logins. Reserved in any case, so that `AWS` cannot be mistaken for `aws`. */
const RESERVED = ['anonymous', 'authenticated', ...FEDERATED, 'token']
/** Maximum number of characters of an invalid name that an error message repeats. */
const MAX_SHOWN = 128
const MIN_PASSWORD_LENGTH = 8
const MAX_PASSWORD_LENGTH = 256
const MAX_GROUPS = 50

/**
 * Returns whether an account may have this name, apart from reserved names. Only such a name may become a table key.
 */
export function isAccountName(name: string): boolean {
  return NAME.test(name)
}

/** @throws {RegistryError} BAD_REQUEST if a new account cannot have this name */
export function checkName(name: string): string {
  if (isAccountName(name) && !RESERVED.includes(name.toLowerCase())) return name
  const reason = `a name must be ${NAME_RULE}, and must not be one of ${RESERVED.join(', ')}`
  throw new RegistryError('BAD_REQUEST', { detail: { name: excerptOf(name), reason } })
}

/** @throws {RegistryError} BAD_REQUEST if the password is too short or too long */
export function checkPassword(password = ''): string {
  const { length } = [...password]
  if (length >= MIN_PASSWORD_LENGTH && length <= MAX_PASSWORD_LENGTH) return password
  const reason = `a password must have ${MIN_PASSWORD_LENGTH} to ${MAX_PASSWORD_LENGTH} characters`
  throw new RegistryError('BAD_REQUEST', { detail: { reason } })
}

/** @throws {RegistryError} BAD_REQUEST for too many groups or an invalid group name */
export function checkGroups(groups: readonly string[]): readonly string[] {
  if (groups.length <= MAX_GROUPS && groups.every(isAccountName)) return groups
  const reason = `a user must have at most ${MAX_GROUPS} groups, and the name of each must be ${NAME_RULE}`
  throw new RegistryError('BAD_REQUEST', { detail: { groups, reason } })
}

/** The start of a name, for an error message. */
export function excerptOf(name: string): string {
  return name.slice(0, MAX_SHOWN)
}
