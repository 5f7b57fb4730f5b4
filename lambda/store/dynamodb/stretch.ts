import type { KeyRange } from '../table.ts'

/**
 * Where a query begins. DynamoDB takes an `after` that does not exist, but only inside the stretch that is asked for. One in front of
 * the stretch means its beginning; behind the stretch there is nothing to find.
 */
export function startOf({ prefix = '', after }: KeyRange): 'nowhere' | { after?: string } {
  if (after === undefined) return {}
  if (after.startsWith(prefix)) return { after }
  return after > prefix ? 'nowhere' : {}
}
