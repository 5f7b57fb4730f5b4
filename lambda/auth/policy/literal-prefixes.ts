import { literalPrefix } from './glob.ts'

/** Maximum number of prefixes. A listing makes one query for each. */
const MAX_PREFIXES = 16

/**
 * Returns at most 16 prefixes such that each name that matches one of the patterns begins with one of them. They are
 * sorted, and none begins with another one. If there would be more than 16, they are shortened and cover more names.
 * `['']` covers every name. Empty if there is no pattern.
 */
export function coveringPrefixes(patterns: readonly string[]): string[] {
  const all = withoutCovered([...new Set(patterns.map(literalPrefix))].sort())
  if (all.length <= MAX_PREFIXES) return all
  // A binary search for the largest length that leaves at most 16 prefixes: a smaller length never leaves more of them.
  let fits = 0
  let tooLong = all.reduce((longest, { length }) => Math.max(longest, length), 0)
  while (tooLong - fits > 1) {
    const length = Math.floor((fits + tooLong) / 2)
    if (shortened(all, length).length <= MAX_PREFIXES) fits = length
    else tooLong = length
  }
  return shortened(all, fits)
}

/** Cuts all prefixes at a length. @param sorted they remain sorted, because all are cut at the same length */
function shortened(sorted: readonly string[], length: number): string[] {
  return withoutCovered(sorted.map(prefix => prefix.slice(0, length)))
}

/**
 * Removes the prefixes that begin with another one.
 * @param sorted so that a prefix comes right before the ones that it covers
 */
function withoutCovered(sorted: readonly string[]): string[] {
  const remaining: string[] = []
  for (const prefix of sorted) {
    const previous = remaining.at(-1)
    if (previous === undefined || !prefix.startsWith(previous)) remaining.push(prefix)
  }
  return remaining
}
