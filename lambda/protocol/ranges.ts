import { RegistryError } from './errors.ts'

/** A range of bytes, both ends inclusive, as in HTTP: `{ first: 0, last: 0 }` is one byte. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** The name of the unit is case-insensitive (RFC 9110 section 14.1). */
const RANGES = /^bytes=(.*)$/i
const RANGE = /^(\d*)-(\d*)$/
/** More than any client requests at once, and few enough that the headers of the parts stay small. */
const MAX_RANGES = 16
const CONTENT_RANGE = /^(?:bytes )?(\d+)-(\d+)(?:\/(?:\d+|\*))?$/

/**
 * Parses the `Range` header of a GET (RFC 9110 section 14.2) for content of `size` bytes. Ranges that overlap or are
 * adjacent are joined; a joined range takes the position of the first range in it. Ranges outside the content are
 * omitted.
 * @returns undefined for the complete content: without the header, for an unknown unit, a syntax error or more than 16
 * ranges, all of which a server may ignore, and for any range of empty content
 * @throws {RegistryError} RANGE_INVALID with `Content-Range` when no range is within the content. A range that ends
 * before it begins counts as outside the content: HTTP allows a server to ignore it, but the conformance suite expects
 * the error
 */
export function parseRanges(header: string | undefined, size: number): readonly ByteRange[] | undefined {
  const [, list = ''] = RANGES.exec(header?.trim() ?? '') ?? []
  const specs = list.split(',').map(spec => spec.trim())
  const ranges = specs.filter(spec => spec !== '').map(spec => rangeOf(spec, size))
  if (ranges.length === 0 || ranges.includes(undefined) || size === 0) return undefined
  const within = ranges.filter((range): range is ByteRange => range !== undefined && isWithin(range, size))
  if (within.length === 0) throw outside(size)
  const joined = join(within)
  return joined.length > MAX_RANGES ? undefined : joined
}

/** @returns undefined for a syntax error */
function rangeOf(spec: string, size: number): ByteRange | undefined {
  const [, from = '', to = ''] = RANGE.exec(spec) ?? []
  if (from === '' && to === '') return undefined
  const end = size - 1
  if (from === '') return { first: Math.max(0, size - Number(to)), last: end }
  return { first: Number(from), last: to === '' ? end : Math.min(end, Number(to)) }
}

function isWithin({ first, last }: ByteRange, size: number): boolean {
  return first <= last && first < size
}

function join(ranges: readonly ByteRange[]): ByteRange[] {
  const inOrder = ranges.map((range, place) => ({ ...range, place })).sort((a, b) => a.first - b.first)
  const joined: { first: number; last: number; place: number }[] = []
  for (const range of inOrder) {
    const previous = joined.at(-1)
    if (previous && range.first <= previous.last + 1) {
      previous.last = Math.max(previous.last, range.last)
      previous.place = Math.min(previous.place, range.place)
    } else joined.push(range)
  }
  return joined.sort((a, b) => a.place - b.place).map(({ first, last }) => ({ first, last }))
}

function outside(size: number): RegistryError {
  return new RegistryError('RANGE_INVALID', {
    message: `the range is outside the blob, which has ${size} bytes`,
    detail: { size },
    headers: { 'content-range': `bytes */${size}` },
  })
}

/** The `Content-Range` of a 206. */
export function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`
}

/**
 * Parses the `Content-Range` of a chunk: `<first>-<last>`, the form of the distribution spec ("Pushing a blob in
 * chunks"), or `bytes <first>-<last>/<total or *>`, the form of HTTP, which some clients send.
 * @throws {RegistryError} BLOB_UPLOAD_INVALID
 */
export function parseChunkRange(header: string): ByteRange {
  const [, first, last] = CONTENT_RANGE.exec(header.trim()) ?? []
  const range = { first: Number(first), last: Number(last) }
  if (first === undefined || range.last < range.first || !Number.isSafeInteger(range.last))
    throw new RegistryError('BLOB_UPLOAD_INVALID', {
      message: 'Content-Range must be <first byte>-<last byte>, such as 0-1023',
      detail: { contentRange: header.slice(0, 100) },
    })
  return range
}

/**
 * The `Range` header of an upload session that holds `size` bytes. Docker computes a layer's size from it, so it must
 * be exact and without a unit. For an empty session, registries send `0-0`.
 */
export function uploadRange(size: number): string {
  return `0-${Math.max(0, size - 1)}`
}
