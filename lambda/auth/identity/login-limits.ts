import { createHmac } from 'node:crypto'
import { RegistryError } from '../../protocol/errors.ts'
import { StorageFull } from '../../store/blobs.ts'
import { keys } from '../../store/keys.ts'
import type { FailuresRow } from '../../store/records.ts'
import { ConditionFailed, type Table } from '../../store/table.ts'
import type { Keyring } from '../tokens/keyring.ts'
import { networksOf } from './networks.ts'

/** Maximum number of failed logins from one network: with the same name, and with any names. */
const MAX_FAILURES = { same: 10, any: 100 }
/** The same for an IPv6 /48, which can contain several households. */
const MAX_FAILURES_WIDE = { same: 40, any: 400 }
/** Maximum number of logins from one network that wait for the outcome of others. Each keeps a connection open. */
const MAX_WAITING = 100
/** `Retry-After` of a login that was rejected because too many others wait. */
const RETRY_AFTER_SECONDS = 2
/** How long failures count, from the first of them. */
const WINDOW_MS = 5 * 60 * 1000

/** One count of failed logins: of a network, and perhaps of a name. */
interface Bucket {
  /** Part of the key of its row. */
  readonly bucket: string
  readonly maxFailures: number
}

interface LimitsParts {
  readonly table: Table
  /** The keys must be the same in all processes, so that they count in the same rows. */
  readonly keyring: () => Keyring
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/**
 * Limits password guessing. Within five minutes a network may send ten different wrong passwords for one name, and a
 * hundred for any names. A network is an IPv4 address or an IPv6 /64. An IPv6 /48 may send four times as many. Failures
 * from one network never lock an account for other networks.
 *
 * All processes share the counts. Each of the four kinds has at most 65,536 rows, which are named by four hex digits of
 * a hash, so guessing cannot fill the table. Two logins can share a row, and then the failures of both count together.
 * The hash has a secret key, so an attacker cannot find a name that shares a row with another and lock out its user.
 */
export class LoginLimits {
  readonly #table: Table
  readonly #keyring: () => Keyring
  readonly #clock: () => number
  /** Number of logins in progress in this process, by bucket. */
  readonly #inProgress = new Map<string, number>()
  /** Number of waiting logins in this process, by network. */
  readonly #waiting = new Map<string, number>()
  /** Resolves when the next login in progress ends. */
  #nextEnd = Promise.withResolvers<void>()

  constructor({ table, keyring, clock }: LimitsParts) {
    this.#table = table
    this.#keyring = keyring
    this.#clock = clock
  }

  /**
   * Runs a login. At the same time only as many run as may still fail. Up to {@link MAX_WAITING} others wait for their
   * outcome, and further ones are rejected at once.
   * @param isFailure whether an error of `work` means a wrong password. Other errors do not count.
   * @throws {RegistryError} TOOMANYREQUESTS with Retry-After; and the errors of `work`
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
      for (const { bucket } of buckets) change(this.#inProgress, bucket, -1)
      this.#nextEnd.resolve()
      this.#nextEnd = Promise.withResolvers()
    }
  }

  /**
   * Waits until another login may run. The table is read only if the logins in progress in this process leave room for
   * one.
   */
  async #enter(buckets: readonly Bucket[], network: string): Promise<void> {
    const noFailures = buckets.map(() => 0)
    while (!this.#hasRoom(buckets, noFailures) || !this.#hasRoom(buckets, await this.#counts(buckets))) {
      if ((this.#waiting.get(network) ?? 0) >= MAX_WAITING)
        throw tooMany('too many logins at the same time', RETRY_AFTER_SECONDS)
      change(this.#waiting, network, 1)
      await this.#nextEnd.promise
      change(this.#waiting, network, -1)
    }
    for (const { bucket } of buckets) change(this.#inProgress, bucket, 1)
  }

  /**
   * The number of recent failures in each bucket.
   * @throws {RegistryError} TOOMANYREQUESTS if one of the buckets is full
   */
  async #counts(buckets: readonly Bucket[]): Promise<number[]> {
    const rows = await this.#table.getMany<FailuresRow>(buckets.map(({ bucket }) => keys.failures(bucket)))
    const now = this.#clock()
    const recent = rows.map(row => (row && row.since > now - WINDOW_MS ? row : { count: 0, since: now }))
    const full = recent.filter(({ count }, i) => count >= (buckets[i]?.maxFailures ?? 0))
    if (full.length === 0) return recent.map(({ count }) => count)
    const until = Math.max(...full.map(({ since }) => since + WINDOW_MS))
    throw tooMany('too many wrong passwords', Math.max(1, Math.ceil((until - now) / 1000)))
  }

  #hasRoom(buckets: readonly Bucket[], counts: readonly number[]): boolean {
    return buckets.every(
      ({ bucket, maxFailures }, i) => (counts[i] ?? 0) + (this.#inProgress.get(bucket) ?? 0) < maxFailures,
    )
  }

  /**
   * Counts a failure in all buckets. On a full disk it cannot be counted, but the client still gets the response to a
   * wrong password.
   */
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
    if (row && row.since > now - WINDOW_MS)
      return this.#table.transact({ update: key, change: { add: { count: 1 } } })
    const first = { ...key, count: 1, since: now }
    try {
      await this.#table.transact({ put: first, if: row ? { since: row.since } : 'absent' })
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
      return this.#count(bucket) // another login has written the row in the meantime
    }
  }

  #bucketsOf(name: string, address: string): Bucket[] {
    const { key } = this.#keyring().newest
    const hashOf = (text: string) => createHmac('sha256', key).update(text).digest('hex').slice(0, 4)
    const bucketsOf = (network: string, max: typeof MAX_FAILURES, width = '') => [
      { bucket: `same${width}#${hashOf(`login ${network} ${name}`)}`, maxFailures: max.same },
      { bucket: `any${width}#${hashOf(`logins ${network}`)}`, maxFailures: max.any },
    ]
    const { narrow, wide } = networksOf(address)
    return [
      ...bucketsOf(narrow, MAX_FAILURES),
      ...(wide === undefined ? [] : bucketsOf(wide, MAX_FAILURES_WIDE, '48')),
    ]
  }
}

/** Adds to a count, and removes the entry when it becomes 0. */
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
