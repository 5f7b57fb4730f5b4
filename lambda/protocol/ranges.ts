import { RegistryError } from './errors.ts'

/** Both ends inclusive, as in HTTP: `{ first: 0, last: 0 }` is one byte. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

const RANGE = /^bytes=(\d*)-(\d*)$/
const CONTENT_RANGE = /^(?:bytes )?(\d+)-(\d+)(?:\/(?:\d+|\*))?$/

/**
 * The `Range` of a GET (RFC 9110 section 14.2) against content of `size` bytes. `undefined` means the whole: no header,
 * several ranges, an unknown unit or bad syntax, all of which a server may ignore, and any range of empty content.
 * @throws {RegistryError} RANGE_INVALID with `Content-Range` when nothing of the content lies in the range, or the range
 * ends before it begins (HTTP would let us ignore that; the conformance suite wants to hear of it)
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const [, from = '', to = ''] = RANGE.exec(header?.trim() ?? '') ?? []
  if ((from === '' && to === '') || size === 0) return undefined
  const end = size - 1
  if (from === '') return satisfiable({ first: Math.max(0, size - Number(to)), last: end }, size)
  if (to === '') return satisfiable({ first: Number(from), last: end }, size)
  return satisfiable({ first: Number(from), last: Math.min(end, Number(to)) }, size)
}

function satisfiable(range: ByteRange, size: number): ByteRange {
  if (range.first <= range.last && range.first < size) return range
  throw new RegistryError('RANGE_INVALID', {
    message: `the range is not within the ${size} bytes of the blob`,
    detail: { size },
    headers: { 'content-range': `bytes */${size}` },
  })
}

/** The `Content-Range` of a 206. */
export function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`
}

/**
 * The `Content-Range` of a chunk: `<first>-<last>`, as the distribution spec writes it ("Pushing a blob in chunks"), or
 * HTTP's own form of it, `bytes <first>-<last>/<total or *>`, which some clients send.
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
 * The `Range` of an upload session that holds `size` bytes. Docker computes a layer's size from it, so it must be exact
 * and without a unit; for no bytes at all the field has agreed on `0-0`.
 */
export function uploadRange(size: number): string {
  return `0-${Math.max(0, size - 1)}`
}
