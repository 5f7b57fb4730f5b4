import type { Item, Key } from '../../store/table.ts'

/**
 * - `off`: the instance is stopped, or its last start failed (`problem`).
 * - `starting`: a request called StartInstances. The instance boots.
 * - `ready`: the relay serves, until `readyUntil` at least.
 * - `stopping`: the relay ended itself, and the instance shuts down.
 */
export type RelayState = 'off' | 'starting' | 'ready' | 'stopping'

/**
 * The one row that the API and the relay share. Times are milliseconds since 1970. Every change but the renewal of `readyUntil` is
 * conditional on `version` and increases it, so that of two concurrent decisions one fails.
 */
export type RelayRow = Item & {
  /** Id of the instance. A row of another instance is that of an earlier deployment. */
  readonly instance: string
  readonly state: RelayState
  readonly version: number
  /** When the state began. */
  readonly since: number
  /** The relay renews this while it serves. In the past: it crashed. */
  readonly readyUntil: number
  /** A push may need the relay until then, so it must not stop earlier. */
  readonly wantedUntil: number
  /** When StartInstances was last called. */
  readonly tried: number
  /** Why the last start failed, as a sentence. Empty: it did not. */
  readonly problem: string
}

export const RELAY_KEY: Key = { partition: 'relay', sort: 'state' }

/** What a change of the row sets. */
export type RelayChange = Omit<RelayRow, keyof Key | 'version' | 'instance'>

/** Of a registry whose relay has never run. */
export function initialRow(instance: string): RelayRow {
  const times = { since: 0, readyUntil: 0, wantedUntil: 0, tried: 0 }
  return { ...RELAY_KEY, instance, state: 'off', version: 0, ...times, problem: '' }
}
