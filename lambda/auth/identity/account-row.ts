import type { AccountRow } from '../../store/records.ts'
import { type Grant, upgradeGrant } from '../policy/schema.ts'
import type { Subject } from './subject.ts'

/** An account without its password or key. Times are milliseconds since 1970. */
export interface Account {
  readonly name: string
  readonly kind: 'user' | 'robot'
  /** Only of users. */
  readonly groups?: readonly string[]
  /** Only of users. */
  readonly admin?: boolean
  /** Only of robots. */
  readonly grants?: readonly Grant[]
  readonly created: number
  /** When the key of a robot expires. Absent: never. */
  readonly expires?: number
  readonly disabled: boolean
  /** Accurate to an hour. */
  readonly lastUsed?: number
}

/** Converts a stored row. The result contains no secret, so it may be shown to administrators. */
export function accountOf(row: AccountRow): Account {
  const { sort: name, kind, groups = [], admin = false, created, expires, lastUsed } = row
  return {
    ...{ name, kind },
    ...(kind === 'user' ? { groups, admin } : { grants: grantsOf(row) }),
    created,
    ...(expires !== undefined && { expires }),
    disabled: row.disabled ?? false,
    ...(lastUsed !== undefined && { lastUsed }),
  }
}

/**
 * Converts a stored row to the subject of requests.
 * @param now milliseconds since 1970
 * @returns undefined if the account may not log in at this time
 */
export function subjectOf(row: AccountRow, now: number): Subject | undefined {
  if (row.disabled || (row.expires !== undefined && row.expires <= now)) return undefined
  const { sort: name, kind, groups = [], admin = false } = row
  return kind === 'user' ? { kind, name, groups, admin } : { kind, name, grants: grantsOf(row) }
}

function grantsOf({ grants = [], format }: AccountRow): Grant[] {
  return (grants as unknown as Grant[]).map(grant => upgradeGrant(grant, format))
}
