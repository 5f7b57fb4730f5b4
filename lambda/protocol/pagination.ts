/** A page of a sorted list: at most `limit` entries after `last`. */
export interface Page {
  readonly limit: number
  /** The page begins after this entry, which need not be in the list. */
  readonly last?: string
}

/** In characters: longer than any tag, name or digest, so a truncated `last` gives the same page. */
const MAX_LAST_LENGTH = 256

/**
 * Reads `n` and `last` (distribution spec, "Listing Tags"). `n` is clamped to `max`, and ignored when it is
 * not a number.
 */
export function parsePage(query: URLSearchParams, max: number): Page {
  const n = query.get('n')?.trim() ?? ''
  const last = query.get('last')?.slice(0, MAX_LAST_LENGTH)
  return { limit: /^\d+$/.test(n) ? Math.min(max, Number(n)) : max, ...(last && { last }) }
}

/** The `Link` header for the next page (RFC 8288). Parameters that are `undefined` are omitted. */
export function nextLink(url: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const present = Object.entries(parameters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return `<${url}?${new URLSearchParams(present)}>; rel="next"`
}
