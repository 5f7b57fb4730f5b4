/** A page of a sorted list: at most `limit` entries behind `last`. */
export interface Page {
  readonly limit: number
  /** Exclusive, and need not be in the list. */
  readonly last?: string
}

/** Longer than any tag, name or digest, so cutting `last` here changes nothing of what comes behind it. */
const LONGEST_LAST = 256

/**
 * Reads `n` and `last` (distribution spec, "Listing Tags"). `n` is clamped to `most`, and ignored where it is no number:
 * it only ever asks for less.
 */
export function parsePage(query: URLSearchParams, most: number): Page {
  const n = query.get('n')?.trim() ?? ''
  const last = query.get('last')?.slice(0, LONGEST_LAST)
  return { limit: /^\d+$/.test(n) ? Math.min(most, Number(n)) : most, ...(last && { last }) }
}

/** The `Link` to the next page (RFC 8288). `parameters` in order; `undefined` ones are left out. */
export function nextLink(url: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return `<${url}?${new URLSearchParams(given)}>; rel="next"`
}
