// Selects the origin of each request by its head: bucket for whole blobs, relay for streams, API for the rest. Lets a body pass only
// with a signature of the API, or if it is small.
//
// CloudFront Functions, runtime 2.0: ES 5.1 and a little more, no destructuring or spread. infra/edge-function.ts bundles the files of
// this folder into one file without imports of its own. See docs/decisions/0009-signed-urls.md.
import { sendBody } from './bodies.js'
import { pull } from './bucket.js'
import { ID, NAME } from './patterns.js'
import { bodyLength, malformedPath } from './request.js'
import { BAD_REQUEST, refuse, UNAVAILABLE } from './responses.js'
import { sessionUpload } from './uploads.js'

const UPLOADS = new RegExp(`^/v2/(${NAME})/blobs/uploads(?:/(${ID}))?/?$`)
const MAX_NAME_LENGTH = 255

export async function handler(event) {
  try {
    return await route(event.request)
  } catch (_) {
    // No KeyValueStore, or no keys in it: nothing can be verified, so nothing may pass.
    return refuse(event.request, UNAVAILABLE, { 'retry-after': { value: '5' } })
  }
}

async function route(request) {
  // The edge header proves to the origin that CloudFront sent the request.
  delete request.headers['x-longshore-edge']
  // CloudFront calls API and relay by other host names.
  request.headers['x-longshore-host'] = request.headers.host

  const malformed = malformedPath(request.uri)
  if (malformed) return refuse(request, malformed)
  const length = bodyLength(request)
  if (Number.isNaN(length)) return refuse(request, BAD_REQUEST)
  if (request.uri.startsWith('/pull/')) return pull(request, length)
  if (length === 0) return request

  const found = UPLOADS.exec(request.uri)
  const upload = found && found[1].length <= MAX_NAME_LENGTH ? found : undefined
  const isSession = upload && upload[2]
  if (isSession && (request.method === 'PATCH' || request.method === 'PUT'))
    return sessionUpload(request, upload, length)
  return sendBody(request, length, upload && !isSession && request.method === 'POST' ? upload[1] : undefined)
}
