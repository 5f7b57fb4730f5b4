import type { Range } from '../table.ts'

/**
 * Where a query begins. `after` need not exist for DynamoDB either, but must lie in the stretch that is asked for: one
 * in front of it is no start at all, and behind one that lies past it there is nothing.
 */
export function startOf({ prefix = '', after, descending = false }: Range): 'nowhere' | { after?: string } {
  if (after === undefined) return {}
  if (after.startsWith(prefix)) return { after }
  const past = descending ? after < prefix : after > prefix
  return past ? 'nowhere' : {}
}
