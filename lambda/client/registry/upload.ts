import type { Digest } from '../../protocol/digest.ts'
import { ClientError } from '../client-error.ts'
import type { OpenBlob } from '../ports.ts'
import { RefusedError, refusal } from './refusal.ts'
import {
  ATTEMPTS,
  mayPass,
  pauseBefore,
  type Registry,
  type RegistryRequest,
  type RegistryResponse,
} from './registry.ts'
import { discard } from './transport.ts'

/** S3 takes at most 5 GiB in one PUT, and so does a direct upload. */
export const MAX_PUT = 5 * 1024 ** 3
/** What the API of a Longshore registry on AWS takes in one request. */
const PART_SIZE = 4 * 1024 ** 2

export interface UploadOptions {
  readonly registry: Registry
  readonly repository: string
  readonly scopes: readonly string[]
  /** Sent in place of a login. */
  readonly authorization?: string | undefined
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly open: OpenBlob
  /** The URL of an upload session that has begun. Absent: one is begun. */
  readonly session?: UploadSession | undefined
  readonly signal?: AbortSignal | undefined
  /** Larger blobs are sent in parts. */
  readonly maxPut?: number
}

export interface UploadSession {
  readonly location: URL
  /** Bytes, from `OCI-Chunk-Min-Length`. */
  readonly minPart: number
}

/**
 * Uploads a blob in one PUT with its length, which a Longshore registry takes directly into S3; in parts above 5 GiB, or where the registry
 * refuses so long a body. An attempt that fails for a passing reason begins anew.
 * @throws {ClientError} where the registry refuses the blob
 */
export async function uploadBlob(options: UploadOptions): Promise<void> {
  const { registry, size, signal, maxPut = MAX_PUT } = options
  let inParts = size > maxPut
  for (let attempt = 1; ; attempt++) {
    try {
      const session =
        (attempt === 1 && options.session) || (await beginUpload(options, attempt === 1 ? ATTEMPTS : 1))
      if (!inParts) return await putWhole(options, session)
      return await putParts(options, session)
    } catch (error) {
      signal?.throwIfAborted()
      const { status = 0 } = error as Partial<RefusedError>
      // The session that the caller began may have expired.
      const isStale = attempt === 1 && options.session !== undefined && [401, 403, 404, 410].includes(status)
      if (status === 413 && !inParts) inParts = true
      else if (!(isStale || mayPass(error) || isLost(error)) || attempt === ATTEMPTS) throw error
      // The response may have been lost on the way.
      else if (await hasBlob(options, 1).catch(() => false)) return
      else if (!isStale) await registry.pause(pauseBefore(attempt), signal)
    }
  }
}

/** The session of the attempt before may have taken a part of the bytes. */
function isLost(error: unknown): boolean {
  return error instanceof RefusedError && [404, 408, 416, 429, 500, 502, 503, 504].includes(error.status)
}

/** Where the upload goes to, and with which rights. */
type Place = Pick<UploadOptions, 'registry' | 'repository' | 'scopes' | 'authorization' | 'signal'>

function send(
  { registry, scopes, authorization, signal }: Place,
  request: RegistryRequest,
): Promise<RegistryResponse> {
  return registry.send({ ...request, scopes, authorization, signal })
}

export async function hasBlob(
  place: Place & Pick<UploadOptions, 'digest'>,
  attempts = ATTEMPTS,
): Promise<boolean> {
  const target = `/v2/${place.repository}/blobs/${place.digest}`
  // A redirect says that the blob is there. Where it leads to may allow only GET.
  const response = await send(place, { method: 'HEAD', target, attempts, follow: false })
  await discard(response)
  return [200, 302, 307].includes(response.status)
}

async function beginUpload(options: UploadOptions, attempts: number): Promise<UploadSession> {
  const { registry, repository } = options
  const response = await send(options, {
    method: 'POST',
    target: `/v2/${repository}/blobs/uploads/`,
    headers: { 'content-length': '0' },
    attempts,
  })
  const what = `${registry.name} refused an upload to ${repository}`
  if (response.status !== 202) throw await refusal(response, what)
  await discard(response)
  return sessionOf(response, what)
}

/** The session that a response to POST or PATCH names. @throws {ClientError} where it names none */
export function sessionOf(response: RegistryResponse, what: string): UploadSession {
  const { location = '', 'oci-chunk-min-length': minimum = '' } = response.headers
  if (!location || !URL.canParse(location, response.url.href))
    throw new ClientError(`${what}: it named no place to upload to`)
  return { location: new URL(location, response.url), minPart: Number(minimum) || 0 }
}

async function putWhole(options: UploadOptions, { location }: UploadSession): Promise<void> {
  const { size, open } = options
  const headers = { 'content-length': String(size), 'content-type': 'application/octet-stream' }
  await close(options, location, { headers, body: () => open() })
}

/** In order, because the spec allows no other ("Pushing a blob in chunks"). Only one part is in memory. */
async function putParts(options: UploadOptions, { location, minPart }: UploadSession): Promise<void> {
  const { registry, size, open, digest } = options
  const partSize = Math.max(PART_SIZE, minPart)
  let url = location
  let first = 0
  for await (const part of partsOf(open(), partSize)) {
    const last = first + part.length - 1
    const response = await send(options, {
      method: 'PATCH',
      target: url,
      headers: { 'content-range': `${first}-${last}`, 'content-type': 'application/octet-stream' },
      body: part,
    })
    const what = `${registry.name} refused bytes ${first}-${last} of blob ${digest}`
    // The registry has the part already: the response to an earlier attempt was lost.
    const isRepeated = response.status === 416 && response.headers.range === `0-${last}`
    if (![201, 202, 204].includes(response.status) && !isRepeated) throw await refusal(response, what)
    await discard(response)
    url = sessionOf(response, what).location
    first = last + 1
  }
  if (first !== size) throw new ClientError(`blob ${digest} ends after ${first} of ${size} bytes`)
  await close(options, url, { headers: { 'content-length': '0' } })
}

async function close(
  options: UploadOptions,
  location: URL,
  content: Pick<RegistryRequest, 'headers' | 'body'>,
): Promise<void> {
  const { registry, repository, digest } = options
  const target = withDigest(location, digest)
  const response = await send(options, { method: 'PUT', target, attempts: 1, ...content })
  if (![200, 201, 204].includes(response.status))
    throw await refusal(response, `${registry.name} refused blob ${digest} in ${repository}`)
  await discard(response)
}

/** The query is kept as it is, because a registry may have signed it. */
export function withDigest(location: URL, digest: Digest): string {
  const url = location.href.replace(/#.*$/, '')
  return `${url}${url.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`
}

async function* partsOf(bytes: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = []
  let held = 0
  for await (const piece of bytes)
    for (let rest = piece; rest.length > 0; ) {
      const head = rest.subarray(0, size - held)
      pieces.push(head)
      held += head.length
      rest = rest.subarray(head.length)
      if (held < size) continue
      yield Buffer.concat(pieces)
      pieces = []
      held = 0
    }
  if (held > 0) yield Buffer.concat(pieces)
}
