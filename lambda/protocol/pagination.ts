/** A page of a sorted list: at most `limit` entries after `last`. */
export interface Page {
  readonly limit: number
  /** Exclusive. It need not be in the list. */
  readonly last?: string
}

/** Longer than any tag, name or digest, so a truncated `last` gives the same page. */
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

/** The `Link` to the next page (RFC 8288). `parameters` in order; `undefined` ones are left out. */
export function nextLink(url: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const present = Object.entries(parameters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return `<${url}?${new URLSearchParams(present)}>; rel="next"`
}
