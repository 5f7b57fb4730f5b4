/** Whether a text fits a pattern. */
export type Matcher = (text: string) => boolean

/**
 * Whether a text fits a pattern: `*` stands for any characters but a slash, `**` for any characters. Linear in the length of the
 * text for a given pattern, so no pattern makes it slow.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  return compile(pattern)(text)
}

/** Compiled lists of patterns. A list lives as long as its version of the policy, or its account. */
const compiled = new WeakMap<readonly string[], Matcher>()

/** Whether a text fits one of the patterns, which are compiled once for each list. */
export function matchesAny(patterns: readonly string[], text: string): boolean {
  const known = compiled.get(patterns)
  if (known) return known(text)
  const matcher = compileAny(patterns)
  compiled.set(patterns, matcher)
  return matcher(text)
}

/** The characters that every text which fits the pattern begins with. */
export function literalPrefix(pattern: string): string {
  return pattern.slice(0, firstStar(pattern))
}

function compileAny(patterns: readonly string[]): Matcher {
  const literals = new Set(patterns.filter(pattern => !pattern.includes('*')))
  const others = patterns.filter(pattern => pattern.includes('*')).map(compile)
  return text => literals.has(text) || others.some(fits => fits(text))
}

function compile(pattern: string): Matcher {
  if (!pattern.includes('*')) return text => text === pattern
  const prefix = literalPrefix(pattern)
  const suffix = pattern.slice(pattern.lastIndexOf('*') + 1)
  const middle = pattern.slice(prefix.length, pattern.length - suffix.length)
  const least = prefix.length + suffix.length
  const ends: Matcher = text => text.length >= least && text.startsWith(prefix) && text.endsWith(suffix)
  if (middle === '**') return ends
  if (middle === '*')
    return text => ends(text) && !text.slice(prefix.length, text.length - suffix.length).includes('/')
  const follow = automaton(middle)
  return text => ends(text) && follow(text.slice(prefix.length, text.length - suffix.length))
}

/** Follows all ways through the pattern at once, character by character. */
function automaton(pattern: string): Matcher {
  const parts = pattern.match(/\*\*|[\s\S]/g) ?? []
  const first = reach(parts, new Set([0]))
  return text => {
    let open = first
    for (const character of text) {
      const next = new Set<number>()
      for (const at of open) {
        const part = parts[at]
        if (part === '**' || (part === '*' && character !== '/')) next.add(at)
        else if (part === character) next.add(at + 1)
      }
      if (next.size === 0) return false
      open = reach(parts, next)
    }
    return open.has(parts.length)
  }
}

/** Whether a text is patterns of repository names with commas between them, as settings have them. */
export function isPatternList(text: string): boolean {
  return text.split(',').every(pattern => /^[a-z0-9._/*-]{1,255}$/.test(pattern))
}

/** The places that can be reached without a character: a star may stand for nothing. */
function reach(parts: readonly string[], open: Set<number>): Set<number> {
  for (const at of open) if (parts[at]?.startsWith('*')) open.add(at + 1)
  return open
}

function firstStar(pattern: string): number {
  const at = pattern.indexOf('*')
  return at < 0 ? pattern.length : at
}
