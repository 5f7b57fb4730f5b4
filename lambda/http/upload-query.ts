/**
 * Repairs the query of an upload URL. Some clients append `?digest=…` to the URL of a session although it already has a
 * query, so a `?` inside the query separates parameters like `&`. No parameter of these URLs contains a `?`.
 */
export function splitAtQuestionMarks(query: URLSearchParams): URLSearchParams {
  const parts = [...query].flatMap(([name, value]): [string, string][] => {
    const [first = '', ...others] = value.split('?')
    return [[name, first], ...others.flatMap(text => [...new URLSearchParams(text)])]
  })
  return new URLSearchParams(parts)
}
