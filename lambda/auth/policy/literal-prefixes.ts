import { literalPrefix } from './glob.ts'

/** The most ranges of names that a listing reads: each costs a query. */
const MOST_PREFIXES = 16

/**
 * The prefixes that cover every name which fits one of the patterns: sorted, and none begins with another. They are
 * shortened until at most 16 are left. `['']` covers every name. Empty where there is no pattern.
 */
export function coveringPrefixes(patterns: readonly string[]): string[] {
  const all = withoutCovered([...new Set(patterns.map(literalPrefix))].sort())
  if (all.length <= MOST_PREFIXES) return all
  // A smaller length never leaves more prefixes, so the largest length that leaves few enough can be searched for.
  let fits = 0
  let tooLong = all.reduce((longest, { length }) => Math.max(longest, length), 0)
  while (tooLong - fits > 1) {
    const length = Math.floor((fits + tooLong) / 2)
    if (shortened(all, length).length <= MOST_PREFIXES) fits = length
    else tooLong = length
  }
  return shortened(all, fits)
}

/** @param sorted stays sorted when every prefix is cut at the same length */
function shortened(sorted: readonly string[], length: number): string[] {
  return withoutCovered(sorted.map(prefix => prefix.slice(0, length)))
}

/** In sorted order, a prefix comes right before those that it covers. */
function withoutCovered(sorted: readonly string[]): string[] {
  const kept: string[] = []
  for (const prefix of sorted) {
    const previous = kept.at(-1)
    if (previous === undefined || !prefix.startsWith(previous)) kept.push(prefix)
  }
  return kept
}
