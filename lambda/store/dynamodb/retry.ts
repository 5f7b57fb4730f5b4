import { TableBusy } from '../table.ts'

/** How often to repeat a request to a table that is busy. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>
  /** From 0 up to but not including 1. */
  readonly random: () => number
}

const FIRST_WAIT = 25
const MAX_WAIT = 1_000

/** DynamoDB's names for errors that a later attempt may not meet. */
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

/** @param name of an error, or the code of a cancellation reason */
export function isTransient(name: string | undefined): boolean {
  return TRANSIENT.has(name ?? '')
}

/**
 * Makes attempts until one succeeds. The pauses grow, and are random so that requests which collided once do not collide again.
 * @param attempt resolves to {@link RETRY} when it may be repeated
 * @throws {TableBusy} after the last attempt
 */
export async function retry<T>(policy: RetryPolicy, attempt: () => Promise<T | typeof RETRY>): Promise<T> {
  const { attempts, sleep, random } = policy
  for (let made = 1; ; made++) {
    const result = await attempt()
    if (result !== RETRY) return result
    if (made === attempts) throw new TableBusy(`DynamoDB was busy ${made} times`)
    await sleep(random() * Math.min(MAX_WAIT, FIRST_WAIT * 2 ** made))
  }
}

export const RETRY = Symbol('retry')
