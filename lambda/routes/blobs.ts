import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { openMultipart } from '../http/multipart-ranges.ts'
import { type Params, route } from '../http/router.ts'
import { type Digest, hexOf } from '../protocol/digest.ts'
import { type ByteRange, contentRange, parseRanges } from '../protocol/ranges.ts'
import type { Blob } from '../registry/blobs.ts'
import type { Registry } from '../registry/registry.ts'
import type { Context } from './context.ts'
import { contentHeaders, emptyResponse, etag, isNotModified } from './responses.ts'

const BLOB = '/v2/<name>/blobs/<digest>'
type BlobParams = Params<typeof BLOB>

const mediaType = 'application/octet-stream'

/** Validity of the URL to which a download is redirected, in seconds. */
const REDIRECT_SECONDS = 15 * 60

/** end-2. Redirects to the blob store when clients can reach it. Otherwise the response contains the bytes. */
async function getBlob(
  { headers }: HttpRequest,
  { name, digest }: BlobParams,
  { registry }: Context,
): Promise<HttpResponse> {
  const blob = await registry.blobs.find(name, digest)
  if (isNotModified(headers['if-none-match'], digest)) return notModified(digest)
  // Ranges are checked before a redirect too, because S3 sends the whole blob for an invalid range.
  const ranges = rangeApplies(headers['if-range'], digest) ? parseRanges(headers.range, blob.size) : undefined
  const redirected = await redirect('GET', digest, blob, registry)
  if (redirected) return redirected

  if (ranges) return partialContent(digest, blob, ranges, registry)
  return { status: 200, headers: blobHeaders(digest, blob), body: await registry.blobs.read(blob) }
}

/** The 206 response. Several ranges are sent as `multipart/byteranges`. */
async function partialContent(
  digest: Digest,
  blob: Blob,
  ranges: readonly ByteRange[],
  { blobs }: Registry,
): Promise<HttpResponse> {
  const headers = blobHeaders(digest, blob)
  const { size } = blob
  const read = (range: ByteRange) => blobs.read(blob, range)
  const [range] = ranges
  if (range && ranges.length === 1) {
    const part = {
      'content-length': String(range.last - range.first + 1),
      'content-range': contentRange(range, size),
    }
    return { status: 206, headers: { ...headers, ...part }, body: await read(range) }
  }
  // The content cannot contain 64 hex digits of its own digest.
  const boundary = hexOf(digest).slice(0, 64)
  const { body, length } = await openMultipart({ ranges, size, mediaType, boundary, read })
  const multipart = {
    'content-type': `multipart/byteranges; boundary=${boundary}`,
    'content-length': String(length),
  }
  return { status: 206, headers: { ...headers, ...multipart }, body }
}

/** end-2. The Content-Length is always the size of the blob: Docker takes the size of a layer from it. */
async function headBlob(
  { headers }: HttpRequest,
  { name, digest }: BlobParams,
  { registry }: Context,
): Promise<HttpResponse> {
  const blob = await registry.blobs.refresh(name, digest)
  if (isNotModified(headers['if-none-match'], digest)) return notModified(digest)
  const redirected = await redirect('HEAD', digest, blob, registry)
  if (redirected) return redirected
  await registry.blobs.requireStored(blob)
  return { status: 200, headers: blobHeaders(digest, blob) }
}

/** end-10. */
async function deleteBlob(
  _: HttpRequest,
  { name, digest }: BlobParams,
  { registry: { blobs } }: Context,
): Promise<HttpResponse> {
  await blobs.delete(name, digest)
  return emptyResponse(202)
}

function notModified(digest: Digest): HttpResponse {
  return emptyResponse(304, { etag: etag(digest) })
}

/**
 * The redirect to a presigned URL for the blob, which is valid for one method only. `undefined` when the blob store has
 * no URLs for clients.
 */
async function redirect(
  method: 'GET' | 'HEAD',
  digest: Digest,
  blob: Blob,
  { blobs }: Registry,
): Promise<HttpResponse | undefined> {
  const url = await blobs.redirectUrl(blob, { method, digest, mediaType, seconds: REDIRECT_SECONDS })
  return url === undefined
    ? undefined
    : emptyResponse(307, { location: url, 'docker-content-digest': digest })
}

function blobHeaders(digest: Digest, { size }: Blob): Record<string, string> {
  return { ...contentHeaders({ digest, mediaType, size }), 'accept-ranges': 'bytes' }
}

/** Whether If-Range permits a range: it is absent, or names this content (RFC 9110 section 13.1.5). */
function rangeApplies(ifRange: string | undefined, digest: Digest): boolean {
  return ifRange === undefined || ifRange.trim() === etag(digest)
}

export const blobRoutes = [
  route('GET', BLOB, 'pull', getBlob),
  route('HEAD', BLOB, 'pull', headBlob),
  route('DELETE', BLOB, 'delete', deleteBlob),
]
