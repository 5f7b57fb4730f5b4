import type { HttpResponse } from '../http/message.ts'
import type { Digest } from '../protocol/digest.ts'

type Headers = Readonly<Record<string, string>>

/** A response without a body. It has a Content-Length, so that no proxy or gateway guesses one. */
export function emptyResponse(status: number, headers: Headers = {}): HttpResponse {
  return {
    status,
    headers: status === 204 || status === 304 ? headers : { ...headers, 'content-length': '0' },
  }
}

export function jsonResponse(value: unknown, headers: Headers = {}): HttpResponse {
  const body = Buffer.from(JSON.stringify(value))
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...headers, 'content-length': String(body.length) },
    body,
  }
}

/** Headers of content with a digest: blobs and manifests. */
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

/** Whether the client already has this content (RFC 9110 section 13.1.2). Some clients omit the quotes or mark the ETag as weak. */
export function isNotModified(ifNoneMatch: string | undefined, digest: Digest): boolean {
  if (ifNoneMatch === undefined) return false
  const known = ifNoneMatch.split(',').map(entry => entry.trim().replace(/^W\//, '').replaceAll('"', ''))
  return known.includes(digest) || known.includes('*')
}
