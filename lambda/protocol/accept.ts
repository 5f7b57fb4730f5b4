/**
 * Whether an `Accept` header allows a media type (RFC 9110 section 12.5.1). Without the header, every type is allowed.
 * The order of preference is ignored, because a tag points to one document.
 */
export function accepts(header: string | undefined, mediaType: string): boolean {
  if (header === undefined || header.trim() === '') return true
  const refused = new Set<string>()
  const allowed = new Set<string>()
  for (const entry of header.toLowerCase().split(',')) {
    const [range = '', ...parameters] = entry.split(';').map(part => part.trim())
    const isExcluded = parameters.some(parameter => /^q=0(?:\.0*)?$/.test(parameter))
    ;(isExcluded ? refused : allowed).add(range)
  }
  const [type] = mediaType.split('/', 1)
  const mostSpecificFirst = [mediaType, `${type}/*`, '*/*']
  const decisive = mostSpecificFirst.find(range => refused.has(range) || allowed.has(range))
  return decisive !== undefined && !refused.has(decisive)
}
