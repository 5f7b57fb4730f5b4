import { createHmac } from 'node:crypto'
import { RegistryError } from '../../protocol/errors.ts'
import { StorageFull } from '../../store/blobs.ts'
import { keys } from '../../store/keys.ts'
import type { FailuresRow } from '../../store/records.ts'
import { ConditionFailed, type Table } from '../../store/table.ts'
import type { Keyring } from '../tokens/keyring.ts'
import { networksOf } from './networks.ts'

/** How many logins may fail before the next one is refused: for one name, and for any names. */
const MAX_FAILURES = { same: 10, any: 100 }
/** The same for an IPv6 /48, which can hold more than one household. */
const MAX_FAILURES_WIDE = { same: 40, any: 400 }
/** How many logins from one network wait for the outcome of others. Each holds a connection. */
const MAX_WAITING = 100
/** Seconds after which a login that found no place to wait may be tried again. */
const RETRY_AFTER = 2
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
 * Limits guessing: in five minutes ten different wrong passwords for one name from one network, and a hundred for any names. A network
 * is an IPv4 address or an IPv6 /64; for the /48 around it four times as many count. An account cannot be locked for other networks.
 *
 * All processes share the counts. Of each of the four kinds there are 65,536 rows at most, named by four hex digits of a hash, so
 * guessing fills no table. Two logins may share a row, and then each counts the other's failures. The hash takes our key, so
 * nobody can find out which share one, and lock somebody out by failing under another name.
 */
export class LoginLimits {
  readonly #table: Table
  readonly #keyring: () => Keyring
  readonly #clock: () => number
  /** How many logins of this process are under way, by bucket. */
  readonly #underWay = new Map<string, number>()
  /** How many logins of this process wait, by network. */
  readonly #waiting = new Map<string, number>()
  #oneEnded = Promise.withResolvers<void>()

  constructor({ table, keyring, clock }: LimitsParts) {
    this.#table = table
    this.#keyring = keyring
    this.#clock = clock
  }

  /**
   * Runs a login. Of those that run at the same time only as many go ahead as may still fail. A bounded number of others wait for
   * their outcome, and the rest is refused at once.
   * @param isFailure whether what `work` throws means a wrong password
   * @throws {RegistryError} TOOMANYREQUESTS with Retry-After; and what `work` throws
   */
  async attempt<T>(
    { name, address }: { readonly name: string; readonly address: string },
    work: () => Promise<T>,
    isFailure: (error: unknown) => boolean,
  ): Promise<T> {
    const buckets = this.#bucketsOf(name, address)
    await this.#enter(buckets, networksOf(address).narrow)
    try {
      return await work()
    } catch (error) {
      if (isFailure(error)) await this.#countAll(buckets)
      throw error
    } finally {
      for (const { bucket } of buckets) change(this.#underWay, bucket, -1)
      this.#oneEnded.resolve()
      this.#oneEnded = Promise.withResolvers()
    }
  }

  /** Waits until there is room. The table is read only where the logins of this process leave any. */
  async #enter(buckets: readonly Bucket[], network: string): Promise<void> {
    const none = buckets.map(() => 0)
    while (!this.#hasRoom(buckets, none) || !this.#hasRoom(buckets, await this.#counts(buckets))) {
      if ((this.#waiting.get(network) ?? 0) >= MAX_WAITING)
        throw tooMany('too many logins at the same time', RETRY_AFTER)
      change(this.#waiting, network, 1)
      await this.#oneEnded.promise
      change(this.#waiting, network, -1)
    }
    for (const { bucket } of buckets) change(this.#underWay, bucket, 1)
  }

  /** How many have failed of late. @throws {RegistryError} TOOMANYREQUESTS where that is enough */
  async #counts(buckets: readonly Bucket[]): Promise<number[]> {
    const rows = await this.#table.getMany<FailuresRow>(buckets.map(({ bucket }) => keys.failures(bucket)))
    const now = this.#clock()
    const recent = rows.map(row => (row && row.since > now - WINDOW ? row : { count: 0, since: now }))
    const full = recent.filter(({ count }, i) => count >= (buckets[i]?.most ?? 0))
    if (full.length === 0) return recent.map(({ count }) => count)
    const until = Math.max(...full.map(({ since }) => since + WINDOW))
    throw tooMany('too many wrong passwords', Math.max(1, Math.ceil((until - now) / 1000)))
  }

  #hasRoom(buckets: readonly Bucket[], counts: readonly number[]): boolean {
    return buckets.every(({ bucket, most }, i) => (counts[i] ?? 0) + (this.#underWay.get(bucket) ?? 0) < most)
  }

  /** A wrong password is answered as such on a full disk too, where it cannot be counted. */
  async #countAll(buckets: readonly Bucket[]): Promise<void> {
    try {
      await Promise.all(buckets.map(({ bucket }) => this.#count(bucket)))
    } catch (error) {
      if (!(error instanceof StorageFull)) throw error
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
    const bucketsOf = (network: string, most: typeof MAX_FAILURES, width = '') => [
      { bucket: `same${width}#${short(`login ${network} ${name}`)}`, most: most.same },
      { bucket: `any${width}#${short(`logins ${network}`)}`, most: most.any },
    ]
    const { narrow, wide } = networksOf(address)
    return [
      ...bucketsOf(narrow, MAX_FAILURES),
      ...(wide === undefined ? [] : bucketsOf(wide, MAX_FAILURES_WIDE, '48')),
    ]
  }
}

function change(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}

/** @param seconds after which the client may try again */
function tooMany(reason: string, seconds: number): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', {
    detail: { reason, seconds },
    headers: { 'retry-after': String(seconds) },
  })
}
