import type { Range } from '../table.ts'

/**
 * Where a query begins. DynamoDB takes an `after` that does not exist, but only inside the stretch that is asked for. One in front of
 * the stretch means its beginning; behind the stretch there is nothing to find.
 */
export function startOf({ prefix = '', after, descending = false }: Range): 'nowhere' | { after?: string } {
  if (after === undefined) return {}
  if (after.startsWith(prefix)) return { after }
  const past = descending ? after < prefix : after > prefix
  return past ? 'nowhere' : {}
}
