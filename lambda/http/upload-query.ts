/**
 * The query of an upload URL to which a client has appended `?digest=…` although it had a query: the second `?` separates parameters
 * like `&`. None of our own parameters of these URLs holds a `?`.
 */
export function splitAtMarks(query: URLSearchParams): URLSearchParams {
  const parts = [...query].flatMap(([name, value]): [string, string][] => {
    const [first = '', ...others] = value.split('?')
    return [[name, first], ...others.flatMap(text => [...new URLSearchParams(text)])]
  })
  return new URLSearchParams(parts)
}
