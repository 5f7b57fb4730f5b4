import { createHmac } from 'node:crypto'
import { RegistryError } from '../protocol/errors.ts'
import { keys } from '../store/keys.ts'
import type { FailuresRow } from '../store/records.ts'
import type { Table } from '../store/table.ts'
import type { Keyring } from './keyring.ts'

/** How many logins may fail before the next one must wait, and how long it is counted. Milliseconds. */
const MOST = { same: 10, any: 100 }
const WINDOW = 5 * 60 * 1000

interface LimitsParts {
  readonly table: Table
  /** All processes have the same. */
  readonly keyring: () => Keyring
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/**
 * Slows down whoever guesses: ten different wrong passwords for one name from one address, a hundred from one address for any names, in
 * five minutes. Nobody can lock an account for others, because the address counts. All processes share the counts; they are
 * kept in as many rows as four hex digits can name, so guessing fills no table. Two that share a row share their bad luck, and only
 * who knows our key can tell which those are: else a guesser would take a name that shares the row of whom he wants to keep out.
 */
export class LoginLimits {
  readonly #table: Table
  readonly #keyring: () => Keyring
  readonly #clock: () => number
  constructor({ table, keyring, clock }: LimitsParts) {
    this.#table = table
    this.#keyring = keyring
    this.#clock = clock
  }

  /** @throws {RegistryError} TOOMANYREQUESTS with Retry-After */
  async check(name: string, address: string): Promise<void> {
    const buckets = this.#bucketsOf(name, address)
    const rows = await this.#table.getMany<FailuresRow>(buckets.map(({ bucket }) => keys.failures(bucket)))
    const now = this.#clock()
    const full = rows.filter(
      (row, i) => row && row.since > now - WINDOW && row.count >= (buckets[i]?.most ?? 0),
    )
    if (full.length === 0) return
    const until = Math.max(...full.map(row => (row?.since ?? 0) + WINDOW))
    const wait = String(Math.max(1, Math.ceil((until - now) / 1000)))
    const detail = { reason: 'too many wrong passwords', seconds: Number(wait) }
    throw new RegistryError('TOOMANYREQUESTS', { detail, headers: { 'retry-after': wait } })
  }

  async noteFailure(name: string, address: string): Promise<void> {
    for (const { bucket } of this.#bucketsOf(name, address)) await this.#count(bucket)
  }

  /** What gets lost when two count at once does not matter. */
  async #count(bucket: string): Promise<void> {
    const key = keys.failures(bucket)
    const row = await this.#table.get<FailuresRow>(key)
    const now = this.#clock()
    const goesOn = row && row.since > now - WINDOW
    await this.#table.transact(
      goesOn ? { update: key, change: { add: { count: 1 } } } : { put: { ...key, count: 1, since: now } },
    )
  }

  #bucketsOf(name: string, address: string) {
    const { key } = this.#keyring().newest
    const short = (text: string) => createHmac('sha256', key).update(text).digest('hex').slice(0, 4)
    const network = networkOf(address)
    return [
      { bucket: `same#${short(`login ${network} ${name}`)}`, most: MOST.same },
      { bucket: `any#${short(`logins ${network}`)}`, most: MOST.any },
    ]
  }
}

/** Whoever has an IPv6 address has 2⁶⁴ of them: those of the same first four groups, of which `::` may leave some out. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=.*[.])/i, '')
  if (!plain.includes(':')) return plain
  const [front = [], back = []] = plain.split('::').map(part => part.split(':').filter(Boolean))
  const zeros = Array(Math.max(0, 8 - front.length - back.length)).fill('0')
  const groups = [...front, ...zeros, ...back].slice(0, 4)
  return groups.map(group => Number.parseInt(group, 16)).join(':')
}
