/** One way to log in that a registry offers in `WWW-Authenticate` (RFC 9110 section 11.6.1). */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

const SCHEME = /^\s*,?\s*([!#$%&'*+.^_`|~\w-]+)(?:\s+|$)/
const PARAMETER = /^\s*,?\s*([!#$%&'*+.^_`|~\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/

/** Parses the header, in which several challenges may be joined by commas. What does not parse ends the list. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  let rest = header
  for (let scheme = SCHEME.exec(rest); scheme; scheme = SCHEME.exec(rest)) {
    rest = rest.slice(scheme[0].length)
    const parameters: Record<string, string> = {}
    for (let parameter = PARAMETER.exec(rest); parameter; parameter = PARAMETER.exec(rest)) {
      const [all, name = '', quoted, token = ''] = parameter
      parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? token
      rest = rest.slice(all.length)
    }
    challenges.push({ scheme: scheme[1]?.toLowerCase() ?? '', parameters })
  }
  return challenges
}
