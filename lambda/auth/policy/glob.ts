/** Returns whether a text matches a compiled pattern. */
export type Matcher = (text: string) => boolean

/**
 * Returns whether a text matches a pattern. `*` matches any characters except a slash, `**` matches any characters.
 * For a given pattern the time is linear in the length of the text: no pattern causes exponential backtracking.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  return compile(pattern)(text)
}

/** Compiled lists of patterns. An entry is freed together with the policy or the account that holds its list. */
const matchers = new WeakMap<readonly string[], Matcher>()

/** Returns whether a text matches one of the patterns. Each list (by identity) is compiled once. */
export function matchesAny(patterns: readonly string[], text: string): boolean {
  const cached = matchers.get(patterns)
  if (cached) return cached(text)
  const matcher = compileAny(patterns)
  matchers.set(patterns, matcher)
  return matcher(text)
}

/** Returns the common prefix of all texts that match the pattern: the characters before its first star. */
export function literalPrefix(pattern: string): string {
  return pattern.slice(0, firstStar(pattern))
}

function compileAny(patterns: readonly string[]): Matcher {
  const literals = new Set(patterns.filter(pattern => !pattern.includes('*')))
  const globs = patterns.filter(pattern => pattern.includes('*')).map(compile)
  return text => literals.has(text) || globs.some(matches => matches(text))
}

function compile(pattern: string): Matcher {
  if (!pattern.includes('*')) return text => text === pattern
  const prefix = literalPrefix(pattern)
  const suffix = pattern.slice(pattern.lastIndexOf('*') + 1)
  const middle = pattern.slice(prefix.length, pattern.length - suffix.length)
  const minLength = prefix.length + suffix.length
  const matchesEnds: Matcher = text =>
    text.length >= minLength && text.startsWith(prefix) && text.endsWith(suffix)
  if (middle === '**') return matchesEnds
  if (middle === '*')
    return text => matchesEnds(text) && !text.slice(prefix.length, text.length - suffix.length).includes('/')
  const matchesMiddle = automaton(middle)
  return text => matchesEnds(text) && matchesMiddle(text.slice(prefix.length, text.length - suffix.length))
}

/** Matches as a nondeterministic automaton: it tracks all positions in the pattern at once, character by character. */
function automaton(pattern: string): Matcher {
  const parts = pattern.match(/\*\*|[\s\S]/g) ?? []
  const initial = skipStars(parts, new Set([0]))
  return text => {
    let positions = initial
    for (const character of text) {
      const next = new Set<number>()
      for (const position of positions) {
        const part = parts[position]
        if (part === '**' || (part === '*' && character !== '/')) next.add(position)
        else if (part === character) next.add(position + 1)
      }
      if (next.size === 0) return false
      positions = skipStars(parts, next)
    }
    return positions.has(parts.length)
  }
}

/** Returns whether a setting is a comma-separated list of patterns of repository names. */
export function isPatternList(text: string): boolean {
  return text.split(',').every(pattern => /^[a-z0-9._/*-]{1,255}$/.test(pattern))
}

/** Adds the positions that can be reached without consuming a character, since a star may match nothing. */
function skipStars(parts: readonly string[], positions: Set<number>): Set<number> {
  for (const position of positions) if (parts[position]?.startsWith('*')) positions.add(position + 1)
  return positions
}

function firstStar(pattern: string): number {
  const index = pattern.indexOf('*')
  return index < 0 ? pattern.length : index
}
