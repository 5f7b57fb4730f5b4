import { TableBusy } from '../table.ts'

/** How to retry requests that DynamoDB throttles or that conflict. */
export interface RetryPolicy {
  /** Including the first attempt. */
  readonly maxAttempts: number
  /** Resolves after this many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>
  /** Returns a random number from 0 to 1, excluding 1. */
  readonly random: () => number
}

const BASE_DELAY_MS = 25
const MAX_DELAY_MS = 1_000

/** The names of DynamoDB errors after which a later attempt may succeed. */
const TRANSIENT = new Set([
  'InternalServerError',
  'LimitExceededException',
  'ProvisionedThroughputExceeded',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'ThrottlingError',
  'ThrottlingException',
  'TransactionConflict',
  'TransactionConflictException',
  'TransactionInProgressException',
])

/** Whether a later attempt may succeed. @param name the name of an error, or the code of a cancellation reason */
export function isTransient(name: string | undefined): boolean {
  return TRANSIENT.has(name ?? '')
}

/**
 * Makes attempts until one succeeds. Delays grow exponentially and are random, so that conflicting requests do not
 * conflict again.
 * @param attempt resolves to {@link RETRY} to request another attempt
 * @throws {TableBusy} after the last attempt
 */
export async function retry<T>(policy: RetryPolicy, attempt: () => Promise<T | typeof RETRY>): Promise<T> {
  const { maxAttempts, sleep, random } = policy
  for (let attempts = 1; ; attempts++) {
    const result = await attempt()
    if (result !== RETRY) return result
    if (attempts === maxAttempts) throw new TableBusy(`DynamoDB was busy in ${attempts} attempts`)
    await sleep(random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** attempts))
  }
}

/** The result of an attempt that must be repeated. */
export const RETRY = Symbol('retry')
