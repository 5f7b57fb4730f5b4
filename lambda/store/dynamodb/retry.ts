import { TableBusy } from '../table.ts'

/** How long to go on asking a table that is busy. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>
  /** From 0 up to but not including 1. */
  readonly random: () => number
}

const FIRST_WAIT = 25
const LONGEST_WAIT = 1_000

/** What DynamoDB calls the states that pass by themselves. */
const PASSING = new Set([
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
  return PASSING.has(name ?? '')
}

/**
 * Makes attempts until one is no longer told to wait, pausing longer and longer, each time at random, so that those who
 * met once do not meet again.
 * @param attempt resolves to {@link RETRY_POLICY} when it may be made again
 * @throws {TableBusy} when the patience is at an end
 */
export async function retry<T>(
  patience: RetryPolicy,
  attempt: () => Promise<T | typeof RETRY_POLICY>,
): Promise<T> {
  const { attempts, sleep, random } = patience
  for (let made = 1; ; made++) {
    const result = await attempt()
    if (result !== RETRY_POLICY) return result
    if (made === attempts) throw new TableBusy(`DynamoDB was busy ${made} times`)
    await sleep(random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** made))
  }
}

export const RETRY_POLICY = Symbol('wait')
