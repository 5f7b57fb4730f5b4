import type { HttpResponse } from '../http/message.ts'
import type { Digest } from '../protocol/digest.ts'

type Headers = Readonly<Record<string, string>>

/**
 * A response without a body. It has `Content-Length: 0` unless the status excludes a body, so that no proxy adds a
 * length.
 */
export function emptyResponse(status: number, headers: Headers = {}): HttpResponse {
  return {
    status,
    headers: status === 204 || status === 304 ? headers : { ...headers, 'content-length': '0' },
  }
}

/** A response with status 200 and a JSON body. */
export function jsonResponse(value: unknown, headers: Headers = {}): HttpResponse {
  const body = Buffer.from(JSON.stringify(value))
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...headers, 'content-length': String(body.length) },
    body,
  }
}

/** The headers of a response that contains a blob or a manifest. */
export function contentHeaders(content: {
  digest: Digest
  mediaType: string
  size: number
}): Record<string, string> {
  return {
    'content-type': content.mediaType,
    'content-length': String(content.size),
    'docker-content-digest': content.digest,
    etag: etag(content.digest),
  }
}

export function etag(digest: Digest): string {
  return `"${digest}"`
}

/**
 * Whether If-None-Match contains this content (RFC 9110 section 13.1.2). Some clients omit the quotes or mark the ETag
 * as weak.
 */
export function isNotModified(ifNoneMatch: string | undefined, digest: Digest): boolean {
  if (ifNoneMatch === undefined) return false
  const etags = ifNoneMatch.split(',').map(entry => entry.trim().replace(/^W\//, '').replaceAll('"', ''))
  return etags.includes(digest) || etags.includes('*')
}
