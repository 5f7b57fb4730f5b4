/**
 * Whether a text fits a pattern: `*` stands for any characters but a slash, `**` for any characters. All ways through the
 * pattern are followed at once, character by character, so no pattern makes it slow.
 */
export function matches(pattern: string, text: string): boolean {
  const parts = pattern.match(/\*\*|[\s\S]/g) ?? []
  let open = reach(parts, new Set([0]))
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

/** The places that can be reached without a character: a star may stand for nothing. */
function reach(parts: readonly string[], open: Set<number>): Set<number> {
  for (const at of open) if (parts[at]?.startsWith('*')) open.add(at + 1)
  return open
}
