// Bodies of uploads: to the bucket, the relay or the API. See docs/decisions/0009-signed-urls.md and 0014-sleeping-relay.md.
import { uploadDirectly } from './bucket.js'
import { item, selectOrigin } from './cloudfront.js'
import { ANY_DIGEST } from './patterns.js'
import { queryPairs, queryText, valuesOf } from './request.js'
import { BLOB_UPLOAD_UNKNOWN, CONTENT_TOO_LARGE, DIGEST_INVALID, refuse, seeOther } from './responses.js'
import { acceptsUnsigned, isSigned } from './signatures.js'

const MiB = 1024 * 1024
/** The API commits bodies up to this size at once. */
const SMALL = MiB
/** A Lambda event holds 6 MB, base64 and headers included. */
export const MAX_API_BODY = 4 * MiB
/** S3's limit for one PUT. */
const MAX_BUCKET_BODY = 5 * 1024 * MiB

const NO_WAY =
  'a body above 4 MiB needs the relay, which is not available: use a client that sends a layer in one PUT (Docker 29, buildx, containerd, oras, helm) or in chunks (regctl)'
const DIRECT_OFF =
  'direct uploads are turned off, and the relay is not available: send chunks of at most 4 MiB'

/**
 * A PATCH or PUT with a body. The API must have signed the URL of the session.
 * @param session a match: its path, the repository, the id of the session
 */
export async function sessionUpload(request, session, length) {
  const pairs = queryPairs(request)
  const direct = request.method === 'PUT' && length > SMALL ? valuesOf(pairs, 'direct') : []
  const isOff = direct.length > 0 && (await item('direct')) === 'off'
  if (direct.length > 0 && !isOff) {
    const digests = valuesOf(pairs, 'digest')
    if (digests.length !== 1 || !ANY_DIGEST.test(digests[0])) return refuse(request, DIGEST_INVALID)
    if (digests[0].startsWith('sha256:') && length <= MAX_BUCKET_BODY)
      return uploadDirectly(request, session, direct, digests[0])
  }
  const stream = valuesOf(pairs, 'stream')
  const isAllowed =
    stream.length === 0
      ? await acceptsUnsigned()
      : stream.length === 1 && (await isSigned(['stream', session[2], session[1]], stream[0]))
  if (!isAllowed) return refuse(request, BLOB_UPLOAD_UNKNOWN)
  return sendUpload(request, pairs, length, isOff ? DIRECT_OFF : NO_WAY)
}

/** Selects the origin of an upload whose body may pass. The API accepts neither a whole layer nor a long stream. */
export async function sendUpload(request, pairs, length, reason) {
  const isPatch = request.method === 'PATCH'
  if (length <= (isPatch ? MAX_API_BODY : SMALL)) return request
  const relay = await relayMode()
  // The API adds `relay=1` to the URL of a session if the relay serves. Docker and podman waited for it.
  const isReady = valuesOf(pairs, 'relay').includes('1') || (isPatch && length === undefined)
  if (relay === 'on' || (relay === 'auto' && isReady)) {
    selectOrigin('relay')
    return request
  }
  // The client repeats the upload after a GET that starts the relay.
  if (relay === 'auto' && isPatch) {
    const query = queryText(request).replace(/[^!-~]/g, '')
    return seeOther(`${request.uri}?${query}&wake=1`)
  }
  if (length > MAX_API_BODY || (relay === 'auto' && request.headers['transfer-encoding']))
    return refuse(request, CONTENT_TOO_LARGE, {}, reason || NO_WAY)
  return request
}

/** `on`, `auto`, or undefined: there is no relay, or the switch turns it off. */
async function relayMode() {
  const mode = await item('relay')
  return mode && (await item('relay-switch')) !== 'off' ? mode : undefined
}
