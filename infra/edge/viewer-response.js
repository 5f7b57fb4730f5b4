// Turns responses of the bucket into responses of a registry. CloudFront runs it for statuses below 400 only: an error of S3
// (a wrong digest, an object that exists) reaches the client with S3's own status and body.
//
// The documentation says that `event.request` is the viewer's request, but we have not verified it. This function also works
// if it is the request that viewer-request.js returned.
//
// CloudFront Functions, runtime 2.0: see viewer-request.js.

import { ANY_DIGEST, DIGEST, decode, ID, NAME } from './patterns.js'

const UPLOAD = new RegExp(`^/v2/(${NAME})/blobs/uploads/${ID}$`)
const WRITTEN = new RegExp(`^/direct/${ID}/(${NAME})$`)
const PULL = new RegExp(`^/pull/[^/]+/(${DIGEST})/`)
const READ = new RegExp(`^/(?:blobs/${ID}|direct/${ID}/${NAME})$`)

export async function handler(event) {
  const request = event.request
  const response = event.response
  if (request.method === 'PUT' && response.statusCode === 200) return created(request, response)
  if (request.method === 'GET' || request.method === 'HEAD') return pulled(request, response)
  return response
}

/** S3 responds to a PUT with 200, the API never. Clients need 201, and some the digest (containerd up to 2.1). */
function created(request, response) {
  const upload = UPLOAD.exec(request.uri)
  const written = WRITTEN.exec(request.uri)
  if (!upload && !written) return response
  const digest = upload ? digestInQuery(request) : digestInChecksum(request)
  if (!ANY_DIGEST.test(digest)) return response

  const headers = registryHeaders(response, digest)
  delete headers.etag
  headers.location = { value: `/v2/${(upload || written)[1]}/blobs/${digest}` }
  response.statusCode = 201
  response.statusDescription = 'Created'
  return response
}

/** The ETag stays S3's: a client that resumes a download sends it in If-Range, which S3 compares. */
function pulled(request, response) {
  const found = PULL.exec(request.uri.replace(/%3a/i, ':'))
  const carried = READ.test(request.uri) && request.headers['docker-content-digest']
  const digest = found ? found[1] : carried && carried.value
  if (!ANY_DIGEST.test(digest)) return response

  const headers = registryHeaders(response, digest)
  if (response.statusCode === 200 || response.statusCode === 206)
    headers['content-type'] = { value: 'application/octet-stream' }
  return response
}

/** Removes S3's own headers and adds those of a registry. */
function registryHeaders(response, digest) {
  const headers = response.headers
  Object.keys(headers).forEach(name => {
    if (name.startsWith('x-amz-') || name === 'server') delete headers[name]
  })
  headers['docker-content-digest'] = { value: digest }
  headers['docker-distribution-api-version'] = { value: 'registry/2.0' }
  headers['x-content-type-options'] = { value: 'nosniff' }
  return headers
}

/** The viewer may have percent-encoded it. viewer-request.js has verified that there is one. */
function digestInQuery(request) {
  const name = Object.keys(request.querystring).find(key => decode(key) === 'digest')
  return name && decode(request.querystring[name].value)
}

/** viewer-request.js has set the header for S3. */
function digestInChecksum(request) {
  const checksum = request.headers['x-amz-checksum-sha256']
  return checksum && `sha256:${Buffer.from(checksum.value, 'base64').toString('hex')}`
}
