// Says in the registry's words what the bucket answered. CloudFront runs it for answers below 400 alone: what S3 refuses
// (a wrong digest, an object that exists) reaches the client with S3's own status and body.
//
// It is documented that `event.request` is what the viewer sent, but nobody has seen it. Should it be what
// viewer-request.js made of that, this works too.
//
// CloudFront Functions, runtime 2.0: see viewer-request.js.

// As in lambda/protocol/name.ts, digest.ts and reference.ts.
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const NAME = `${COMPONENT}(?:/${COMPONENT})*`
const ID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const DIGEST = 'sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}'

const UPLOAD = new RegExp(`^/v2/(${NAME})/blobs/uploads/${ID}$`)
const WRITTEN = new RegExp(`^/direct/${ID}/(${NAME})$`)
const PULL = new RegExp(`^/pull/[^/]+/(${DIGEST})/`)
const READ = new RegExp(`^/(?:blobs/${ID}|direct/${ID}/${NAME})$`)
const ANY_DIGEST = new RegExp(`^(?:${DIGEST})$`)

// biome-ignore lint/correctness/noUnusedVariables: CloudFront calls it
async function handler(event) {
  const request = event.request
  const response = event.response
  if (request.method === 'PUT' && response.statusCode === 200) return created(request, response)
  if (request.method === 'GET' || request.method === 'HEAD') return pulled(request, response)
  return response
}

/** The API answers no PUT with 200, S3 every one. Clients take 201 alone, and some need the digest (containerd up to 2.1). */
function created(request, response) {
  const upload = UPLOAD.exec(request.uri)
  const written = WRITTEN.exec(request.uri)
  if (!upload && !written) return response
  const digest = upload ? digestInQuery(request) : digestInChecksum(request)
  if (!ANY_DIGEST.test(digest)) return response

  const headers = ofRegistry(response, digest)
  delete headers.etag
  headers.location = { value: `/v2/${(upload || written)[1]}/blobs/${digest}` }
  response.statusCode = 201
  response.statusDescription = 'Created'
  return response
}

/** The ETag stays S3's: a client that goes on with a download sends it in If-Range, which S3 compares. */
function pulled(request, response) {
  const link = PULL.exec(request.uri.replace(/%3a/i, ':'))
  const carried = READ.test(request.uri) && request.headers['docker-content-digest']
  const digest = link ? link[1] : carried && carried.value
  if (!ANY_DIGEST.test(digest)) return response

  const headers = ofRegistry(response, digest)
  if (response.statusCode === 200 || response.statusCode === 206)
    headers['content-type'] = { value: 'application/octet-stream' }
  return response
}

/** What S3 says of itself goes; what a client knows a registry by comes. */
function ofRegistry(response, digest) {
  const headers = response.headers
  Object.keys(headers).forEach(name => {
    if (name.startsWith('x-amz-') || name === 'server') delete headers[name]
  })
  headers['docker-content-digest'] = { value: digest }
  headers['docker-distribution-api-version'] = { value: 'registry/2.0' }
  headers['x-content-type-options'] = { value: 'nosniff' }
  return headers
}

/** As the viewer wrote it, percent-encoded or not. viewer-request.js has seen to it that there is one. */
function digestInQuery(request) {
  const name = Object.keys(request.querystring).find(key => decode(key) === 'digest')
  return name && decode(request.querystring[name].value)
}

/** As viewer-request.js wrote it, for S3. */
function digestInChecksum(request) {
  const checksum = request.headers['x-amz-checksum-sha256']
  return checksum && `sha256:${Buffer.from(checksum.value, 'base64').toString('hex')}`
}

/** Undefined for what is malformed, or more than printable ASCII: `$` of a pattern would overlook a last line break. */
function decode(text) {
  try {
    const plain = decodeURIComponent(text)
    return /[^!-~]/.test(plain) ? undefined : plain
  } catch (_) {
    return undefined
  }
}
