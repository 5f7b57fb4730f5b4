// Requests that go to the bucket. CloudFront signs them, so the API must have signed each of them first.
import { selectOrigin } from './cloudfront.js'
import { DIGEST, ID, NAME } from './patterns.js'
import {
  BAD_REQUEST,
  BLOB_UNKNOWN,
  BLOB_UPLOAD_UNKNOWN,
  NOT_FOUND,
  refuse,
  UNSUPPORTED,
} from './responses.js'
import { isSigned, TOKEN } from './signatures.js'

const PULL = new RegExp(`^/pull/(${TOKEN})/(${DIGEST})/(blobs/${ID}|direct/${ID}/${NAME})$`)
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

/** A PUT of a whole blob. S3 verifies the digest, and does not overwrite an object. */
export async function uploadDirectly(request, session, tokens, digest) {
  const repository = session[1]
  const id = session[2]
  if (tokens.length !== 1 || !(await isSigned(['upload', id, repository], tokens[0])))
    return refuse(request, BLOB_UPLOAD_UNKNOWN)

  sendToBucket(request, `/direct/${id}/${repository}`, [])
  const checksum = Buffer.from(digest.slice('sha256:'.length), 'hex').toString('base64')
  request.headers['x-amz-checksum-sha256'] = { value: checksum }
  request.headers['if-none-match'] = { value: '*' }
  request.headers['content-type'] = { value: 'application/octet-stream' }
  return request
}

/** GET and HEAD of an object. */
export async function pull(request, length) {
  // CORS: the API knows the allowed origins.
  if (request.method === 'OPTIONS' && length === 0) {
    selectOrigin('api')
    return request
  }
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return refuse(request, UNSUPPORTED, { allow: { value: 'GET, HEAD' } })
  // The headers that announce a body are read-only, so the bucket would receive it.
  if (length !== 0) return refuse(request, BAD_REQUEST)

  // Clients may encode the colon.
  const found = PULL.exec(request.uri.replace(/%3a/i, ':'))
  if (!found) return refuse(request, NOT_FOUND)
  const digest = found[4]
  const key = found[5]
  if (!(await isSigned(['pull', digest, key], found[1]))) return refuse(request, BLOB_UNKNOWN)

  sendToBucket(request, `/${key}`, GET_HEADERS)
  // For viewer-response.js, if it sees this request instead of the viewer's. S3 ignores it.
  request.headers['docker-content-digest'] = { value: digest }
  return request
}

/** OAC signs all forwarded headers, and S3 would obey x-amz-acl or x-amz-copy-source. So only `kept` ones remain. */
function sendToBucket(request, uri, kept) {
  request.uri = uri
  request.querystring = {}
  request.cookies = {}
  Object.keys(request.headers).forEach(name => {
    if (!READ_ONLY.includes(name) && !kept.includes(name)) delete request.headers[name]
  })
  selectOrigin('bucket')
}
