// Bodies that are not bytes of an upload session. Without a signature, no more than 64 KiB pass, with two exceptions.
import { item } from './cloudfront.js'
import { queryPairs, valuesOf } from './request.js'
import { BAD_REQUEST, CONTENT_TOO_LARGE, LENGTH_REQUIRED, refuse, UNAUTHORIZED } from './responses.js'
import { acceptsUnsigned, isSigned } from './signatures.js'
import { MAX_API_BODY, sendUpload } from './uploads.js'

const KiB = 1024
/** Whatever the request carries. It suffices for the form of /token. */
const MAX_UNSIGNED = 64 * KiB
/** The two exceptions: with a login that could be one of ours. As in lambda/protocol/manifest.ts and lambda/routes/json-body.ts. */
const MAX_MANIFEST = MAX_API_BODY
const MAX_API_DOCUMENT = 512 * KiB

const MANIFEST = /^\/v2\/([^"]+)\/manifests\/[^/]+$/
/** A name, a colon and a password of eight characters at least; API Gateway accepts 10,240 bytes of headers. */
const BASIC = /^basic +[a-z0-9+/]{14,}={0,2} *$/i
const BEARER = /^bearer +([0-9a-z_-]{1,400})[.]/i
const MAX_AUTHORIZATION = 10240

/**
 * A request with a body.
 * @param posted the repository of a request that begins an upload
 */
export async function sendBody(request, length, posted) {
  const pairs = posted ? queryPairs(request) : []
  const rule = ruleOf(request, posted && valuesOf(pairs, 'digest').length > 0 ? posted : undefined)
  if (!rule) {
    if (length === undefined && !request.headers['transfer-encoding']) return refuse(request, LENGTH_REQUIRED)
    return refuse(request, BAD_REQUEST, {}, 'this path accepts no request body')
  }
  if (length > rule.most) return refuse(request, CONTENT_TOO_LARGE)
  if (!(length <= MAX_UNSIGNED) && !(await isLoggedIn(request, length <= rule.withBasic))) {
    if (length === undefined) return refuse(request, LENGTH_REQUIRED)
    return refuse(
      request,
      UNAUTHORIZED,
      { 'www-authenticate': { value: challenge(request, rule) } },
      'a body above 64 KiB needs a login'
    )
  }
  return posted ? sendUpload(request, pairs, length) : request
}

/** Bytes that pass: `most` with a signature, `withBasic` with a name and a password, which the edge cannot verify. */
function ruleOf(request, posted) {
  const method = request.method
  // The relay accepts a blob of any size in one POST.
  if (posted) return { most: Infinity, withBasic: 0, repository: posted }
  const manifest = method === 'PUT' && MANIFEST.exec(request.uri)
  if (manifest) return { most: MAX_MANIFEST, withBasic: MAX_MANIFEST, repository: manifest[1] }
  if (['DELETE', 'PATCH', 'POST', 'PUT'].includes(method) && request.uri.startsWith('/api/'))
    return { most: MAX_API_DOCUMENT, withBasic: MAX_API_DOCUMENT }
  if (method === 'POST' && request.uri === '/token') return { most: MAX_UNSIGNED, withBasic: 0 }
  return undefined
}

/** Whether the edge verifies the token of the request, or may trust its name and password. */
async function isLoggedIn(request, trustsBasic) {
  const header = request.headers.authorization
  const text = header && !header.multiValue && header.value.length <= MAX_AUTHORIZATION ? header.value : ''
  if (trustsBasic && BASIC.test(text)) return true
  const bearer = BEARER.exec(text)
  if (bearer && (await isPushToken(bearer[1]))) return true
  return (await item('auth')) === 'off'
}

/** The API signs the header of a token that allows a push: lambda/auth/tokens/tokens.ts. */
async function isPushToken(header) {
  const signature = signatureIn(header)
  return signature === undefined ? acceptsUnsigned() : isSigned(['token'], signature)
}

function signatureIn(header) {
  try {
    return JSON.parse(Buffer.from(header, 'base64url').toString()).edge
  } catch (_) {
    return ''
  }
}

function challenge(request, rule) {
  const host = request.headers.host ? request.headers.host.value : ''
  if (!rule.repository) return `Basic realm="${host}"`
  return `Bearer realm="https://${host}/token",service="${host}",scope="repository:${rule.repository}:pull,push"`
}
