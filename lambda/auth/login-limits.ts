import { createHmac } from 'node:crypto'
import { RegistryError } from '../protocol/errors.ts'
import { keys } from '../store/keys.ts'
import type { FailuresRow } from '../store/records.ts'
import { ConditionFailed, type Table } from '../store/table.ts'
import type { Keyring } from './keyring.ts'

/** How many logins may fail before the next one must wait. */
const MOST = { same: 10, any: 100 }
/** How long failures count. Milliseconds. */
const WINDOW = 5 * 60 * 1000

interface Bucket {
  readonly bucket: string
  /** So many may fail. */
  readonly most: number
}

interface LimitsParts {
  readonly table: Table
  /** All processes have the same. */
  readonly keyring: () => Keyring
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/**
 * Slows down whoever guesses: ten different wrong passwords for one name from one address, a hundred from one address for any names, in
 * five minutes. Nobody can lock an account for others, because the address counts.
 *
 * All processes share the counts. Of each of the two kinds there are 65,536 rows at most, named by four hex digits of a hash, so
 * guessing fills no table. Two logins may share a row, and then each counts the other's failures. The hash takes our key, so
 * nobody can find out which share one, and lock somebody out by failing under another name.
 */
export class LoginLimits {
  readonly #table: Table
  readonly #keyring: () => Keyring
  readonly #clock: () => number
  /** How many logins of this process are under way, by bucket. */
  readonly #underWay = new Map<string, number>()
  #oneEnded = Promise.withResolvers<void>()

  constructor({ table, keyring, clock }: LimitsParts) {
    this.#table = table
    this.#keyring = keyring
    this.#clock = clock
  }

  /**
   * Lets somebody try. Of those who try at the same time only as many go ahead as may still fail; the others wait for their
   * outcome.
   * @throws {RegistryError} TOOMANYREQUESTS with Retry-After; and what `work` throws
   */
  async attempt<T>(
    { name, address }: { readonly name: string; readonly address: string },
    work: () => Promise<T>,
    isFailure: (error: unknown) => boolean,
  ): Promise<T> {
    const buckets = this.#bucketsOf(name, address)
    while (!this.#hasRoom(buckets, await this.#counts(buckets))) await this.#oneEnded.promise
    this.#note(buckets, 1)
    try {
      return await work()
    } catch (error) {
      if (isFailure(error)) for (const { bucket } of buckets) await this.#count(bucket)
      throw error
    } finally {
      this.#note(buckets, -1)
      this.#oneEnded.resolve()
      this.#oneEnded = Promise.withResolvers()
    }
  }

  /** How many have failed of late. @throws {RegistryError} TOOMANYREQUESTS where that is enough */
  async #counts(buckets: readonly Bucket[]): Promise<number[]> {
    const rows = await this.#table.getMany<FailuresRow>(buckets.map(({ bucket }) => keys.failures(bucket)))
    const now = this.#clock()
    const recent = rows.map(row => (row && row.since > now - WINDOW ? row : { count: 0, since: now }))
    const full = recent.filter(({ count }, i) => count >= (buckets[i]?.most ?? 0))
    if (full.length === 0) return recent.map(({ count }) => count)
    const until = Math.max(...full.map(({ since }) => since + WINDOW))
    const wait = String(Math.max(1, Math.ceil((until - now) / 1000)))
    const detail = { reason: 'too many wrong passwords', seconds: Number(wait) }
    throw new RegistryError('TOOMANYREQUESTS', { detail, headers: { 'retry-after': wait } })
  }

  #hasRoom(buckets: readonly Bucket[], counts: readonly number[]): boolean {
    return buckets.every(({ bucket, most }, i) => (counts[i] ?? 0) + (this.#underWay.get(bucket) ?? 0) < most)
  }

  #note(buckets: readonly Bucket[], change: 1 | -1): void {
    for (const { bucket } of buckets) {
      const number = (this.#underWay.get(bucket) ?? 0) + change
      if (number > 0) this.#underWay.set(bucket, number)
      else this.#underWay.delete(bucket)
    }
  }

  async #count(bucket: string): Promise<void> {
    const key = keys.failures(bucket)
    const row = await this.#table.get<FailuresRow>(key)
    const now = this.#clock()
    if (row && row.since > now - WINDOW)
      return this.#table.transact({ update: key, change: { add: { count: 1 } } })
    const first = { ...key, count: 1, since: now }
    try {
      await this.#table.transact({ put: first, if: row ? { since: row.since } : 'absent' })
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
      return this.#count(bucket) // another login has begun the count
    }
  }

  #bucketsOf(name: string, address: string): Bucket[] {
    const { key } = this.#keyring().newest
    const short = (text: string) => createHmac('sha256', key).update(text).digest('hex').slice(0, 4)
    const network = networkOf(address)
    return [
      { bucket: `same#${short(`login ${network} ${name}`)}`, most: MOST.same },
      { bucket: `any#${short(`logins ${network}`)}`, most: MOST.any },
    ]
  }
}

/** The address, or for IPv6 its first four groups: whoever has one such address has all 2⁶⁴ of the same four. `::` stands for groups of zeros. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=.*[.])/i, '')
  if (!plain.includes(':')) return plain
  const [front = [], back = []] = plain.split('::').map(part => part.split(':').filter(Boolean))
  const zeros = Array(Math.max(0, 8 - front.length - back.length)).fill('0')
  const groups = [...front, ...zeros, ...back].slice(0, 4)
  return groups.map(group => Number.parseInt(group, 16)).join(':')
}
