// Selects the origin of each request by its head: bucket for whole blobs, relay for streams, API for the rest.
//
// CloudFront Functions, runtime 2.0: one file of at most 10 KB, no exports, ES 5.1 and a little more, no
// destructuring or spread. `$` also matches before a final line break. See docs/decisions/0009-signed-urls.md.
import cf from 'cloudfront'
import crypto from 'crypto'

const MiB = 1024 * 1024
/** The API commits bodies up to this size at once. */
const SMALL = MiB
/** A Lambda event holds 6 MB, base64 and headers included. */
const MAX_API_BODY = 4 * MiB
/** S3's limit for one PUT. */
const MAX_BUCKET_BODY = 5 * 1024 * MiB

// As in lambda/protocol/name.ts, digest.ts and reference.ts.
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const NAME = `${COMPONENT}(?:/${COMPONENT})*`
const MAX_NAME_LENGTH = 255
const ID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const DIGEST = 'sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}'
const TOKEN = '([0-9]{1,12})[.]([0-9A-Za-z_-]{43})'

const UPLOADS = new RegExp(`^/v2/(${NAME})/blobs/uploads/?$`)
const UPLOAD = new RegExp(`^/v2/(${NAME})/blobs/uploads/(${ID})/?$`)
const PULL = new RegExp(`^/pull/${TOKEN}/(${DIGEST})/(blobs/${ID}|direct/${ID}/${NAME})$`)
const DIRECT = new RegExp(`^${TOKEN}$`)
const ANY_DIGEST = new RegExp(`^(?:${DIGEST})$`)
const KEY = /^[0-9A-Za-z_-]{43}$/

/** CloudFront responds with 502 if a function changes these. */
const READ_ONLY = ['cdn-loop', 'content-length', 'host', 'transfer-encoding', 'via']
/** Headers of a GET that the bucket receives. */
const GET_HEADERS = [
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
]

// As in lambda/protocol/errors.ts.
const BAD_REQUEST = [400, 'BAD_REQUEST', 'malformed request']
const DIGEST_INVALID = [400, 'DIGEST_INVALID', 'digest missing, malformed or not that of the content']
const BLOB_UNKNOWN = [404, 'BLOB_UNKNOWN', 'blob unknown to registry']
const BLOB_UPLOAD_UNKNOWN = [404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry']
const NOT_FOUND = [404, 'NOT_FOUND', 'not found']
const UNSUPPORTED = [405, 'UNSUPPORTED', 'the operation is unsupported']
const CONTENT_TOO_LARGE = [413, 'CONTENT_TOO_LARGE', 'request body too large']
const UNAVAILABLE = [503, 'UNAVAILABLE', 'service unavailable']

// biome-ignore lint/correctness/noUnusedVariables: CloudFront calls it
async function handler(event) {
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
  const length = bodyLength(request.headers)
  if (Number.isNaN(length)) return refuse(request, BAD_REQUEST)
  if (request.uri.startsWith('/pull/')) return pull(request, length)

  const upload = match(UPLOAD, request.uri)
  if (upload && request.method === 'PUT' && length > SMALL) {
    const tokens = parameter(request, 'direct')
    if (tokens.length > 0) {
      const digests = parameter(request, 'digest')
      if (digests.length !== 1 || !ANY_DIGEST.test(digests[0])) return refuse(request, DIGEST_INVALID)
      if (digests[0].startsWith('sha256:') && length <= MAX_BUCKET_BODY)
        return uploadDirectly(request, upload, tokens, digests[0])
    }
  }
  if (isForRelay(request, upload, length) && (await hasRelay())) {
    cf.selectRequestOriginById('relay')
    return request
  }
  // API Gateway's own 413 is no OCI error document.
  if (length > MAX_API_BODY) return refuse(request, CONTENT_TOO_LARGE)
  return request
}

/** S3 verifies the digest, and does not overwrite an object. */
async function uploadDirectly(request, upload, tokens, digest) {
  const token = tokens.length === 1 && DIRECT.exec(tokens[0])
  const repository = upload[1]
  const id = upload[2]
  if (!token || !(await isSigned(`upload\n${id}\n${repository}\n${token[1]}`, token)))
    return refuse(request, BLOB_UPLOAD_UNKNOWN)

  sendToBucket(request, `/direct/${id}/${repository}`, [])
  const checksum = Buffer.from(digest.slice('sha256:'.length), 'hex').toString('base64')
  request.headers['x-amz-checksum-sha256'] = { value: checksum }
  request.headers['if-none-match'] = { value: '*' }
  request.headers['content-type'] = { value: 'application/octet-stream' }
  return request
}

/** GET and HEAD of an object, by a URL that the API signed. */
async function pull(request, length) {
  // CORS: the API knows the allowed origins.
  if (request.method === 'OPTIONS') {
    cf.selectRequestOriginById('api')
    return request
  }
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return refuse(request, UNSUPPORTED, { allow: { value: 'GET, HEAD' } })
  // These two are read-only, so the bucket would receive a body.
  if (length > 0 || request.headers['transfer-encoding']) return refuse(request, BAD_REQUEST)

  // Clients may encode the colon.
  const found = PULL.exec(request.uri.replace(/%3a/i, ':'))
  if (!found) return refuse(request, NOT_FOUND)
  const digest = found[3]
  const key = found[4]
  if (!(await isSigned(`pull\n${digest}\n${key}\n${found[1]}`, found))) return refuse(request, BLOB_UNKNOWN)

  sendToBucket(request, `/${key}`, GET_HEADERS)
  // For viewer-response.js, if it sees this request instead of the viewer's. S3 ignores it.
  request.headers['docker-content-digest'] = { value: digest }
  return request
}

/** The API may not accept a PATCH with a whole layer, or a body that is large or of unknown length. */
function isForRelay(request, upload, length) {
  if (upload && request.method === 'PATCH') return true
  if (length <= SMALL) return false
  if (upload) return request.method === 'PUT'
  return request.method === 'POST' && match(UPLOADS, request.uri) && parameter(request, 'digest').length > 0
}

/** OAC signs all forwarded headers, and S3 would obey x-amz-acl or x-amz-copy-source. So only `kept` ones remain. */
function sendToBucket(request, uri, kept) {
  request.uri = uri
  request.querystring = {}
  request.cookies = {}
  Object.keys(request.headers).forEach(name => {
    if (!READ_ONLY.includes(name) && !kept.includes(name)) delete request.headers[name]
  })
  cf.selectRequestOriginById('bucket')
}

/**
 * Whether one of our keys signed the text, and the token has not expired. `token` is a match of TOKEN.
 * The item `keys` is `<current>` or `<current>,<previous>`.
 */
async function isSigned(text, token) {
  if (Number(token[1]) * 1000 <= Date.now()) return false
  const keys = (await cf.kvs().get('keys')).split(',').filter(key => KEY.test(key))
  // Everybody can sign with an empty key.
  if (keys.length === 0) throw new Error('no key')
  return keys.some(key => isSame(crypto.createHmac('sha256', key).update(text).digest('base64url'), token[2]))
}

/** Compares two texts of 43 characters in constant time. */
function isSame(one, other) {
  let difference = 0
  for (let i = 0; i < one.length; i++) difference |= one.codePointAt(i) ^ other.codePointAt(i)
  return difference === 0
}

async function hasRelay() {
  const items = cf.kvs()
  return (await items.exists('relay')) && (await items.get('relay')) === 'on'
}

function match(pattern, path) {
  const found = pattern.exec(path)
  return found && found[1].length <= MAX_NAME_LENGTH ? found : null
}

/** Our paths are printable ASCII. Origins interpret other paths differently. */
function malformedPath(path) {
  const plain = decode(path)
  if (!plain || plain[0] !== '/') return BAD_REQUEST
  return /%2f/i.test(path) || /[\\?#%]|\/\/|\/[.][.]?(?:\/|$)/.test(plain) ? NOT_FOUND : undefined
}

/** Undefined if the text is malformed or has other characters than printable ASCII. */
function decode(text) {
  try {
    const plain = decodeURIComponent(text)
    return /[^!-~]/.test(plain) ? undefined : plain
  } catch (_) {
    return undefined
  }
}

/** All values of a parameter. Some clients append `?digest=` to a URL that has a query. */
function parameter(request, name) {
  const entries = request.querystring
  const valuesOf = key => entries[key].multiValue || [entries[key]]
  const texts = Object.keys(entries).map(key =>
    valuesOf(key)
      .map(one => `${key}=${one.value}`)
      .join('&')
  )
  const pairs = texts
    .join('&')
    .split(/[&?]/)
    .map(pair => pair.split('='))
  return pairs.filter(pair => decode(pair[0]) === name).map(pair => decode(pair.slice(1).join('=')))
}

/** In bytes. NaN: invalid. Undefined: unknown, which is neither more nor less than any number. */
function bodyLength(headers) {
  const header = headers['content-length']
  if (headers['transfer-encoding'] || !header) return undefined
  const isOne = !header.multiValue || header.multiValue.length === 1
  return isOne && /^[0-9]{1,15}$/.test(header.value) ? Number(header.value) : NaN
}

/** An error document of the distribution spec. A HEAD gets its headers only. */
function refuse(request, error, headers) {
  const response = {
    statusCode: error[0],
    headers: {
      'content-type': { value: 'application/json' },
      'docker-distribution-api-version': { value: 'registry/2.0' },
      'x-content-type-options': { value: 'nosniff' },
    },
  }
  Object.assign(response.headers, headers)
  if (request.method !== 'HEAD')
    response.body = {
      encoding: 'text',
      data: JSON.stringify({ errors: [{ code: error[1], message: error[2] }] }),
    }
  return response
}
