import { bodyLength } from '../http/body.ts'
import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { locationUrl } from '../http/origin.ts'
import { type Params, route } from '../http/router.ts'
import { algorithmOf, type Digest, parseAlgorithm, parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { parseRepositoryName, type RepositoryName } from '../protocol/name.ts'
import { blobPath, uploadPath } from '../protocol/paths.ts'
import { parseChunkRange, uploadRange } from '../protocol/ranges.ts'
import { type Chunk, wrongLength } from '../registry/chunk.ts'
import { OutOfOrder, type SessionKey, type UploadSession } from '../registry/sessions.ts'
import type { Context } from './context.ts'
import { emptyResponse } from './responses.ts'

const UPLOADS = '/v2/<name>/blobs/uploads/'
const UPLOAD = '/v2/<name>/blobs/uploads/<upload>'
/** Query parameter that the edge adds. */
const WAKE = 'wake'
type UploadParams = Params<typeof UPLOAD>

/** end-4a, 4b, 4c and 11. Begins a session, unless the request contains the blob or mounts it. */
async function postUpload(
  request: HttpRequest,
  { name }: Params<typeof UPLOADS>,
  context: Context,
): Promise<HttpResponse> {
  const { registry, access } = context
  const { query } = request
  const mount = wellFormed(query.get('mount'), parseDigest)
  const source = query.get('from') || undefined
  const from = wellFormed(source, parseRepositoryName)
  // When the policy allows the source and the token does not, the challenge names both repositories.
  if (mount && from && access.canSee(from)) access.require('pull', from)
  // A malformed mount, or one that the caller is not allowed, begins an upload instead (spec, "Mounting a blob").
  const mayMount = from ? access.can('pull', from) : source === undefined && access.canPullAll
  const mayPull = access.can('pull', name)
  if (mount && mayMount && (await registry.blobs.mount(name, mount, from, mayPull)))
    return created(request, name, mount)

  const digest = digestIn(query, 'digest')
  if (digest) {
    await registry.uploads.push(name, digest, request.body)
    return created(request, name, digest)
  }
  const algorithm = parseAlgorithm(query.get('digest-algorithm') ?? (mount ? algorithmOf(mount) : 'sha256'))
  const start = await context.relay?.beginUpload(request.headers['user-agent'])
  if (start?.kind === 'repeat') return emptyResponse(307, { location: ownUrl(request) })
  const session = await registry.uploads.begin(name, algorithm, access.owner)
  const begun = progress(202, session, { request, context }, start?.query)
  const { minChunkSize } = context
  if (minChunkSize === undefined) return begun
  return { ...begun, headers: { ...begun.headers, 'oci-chunk-min-length': String(minChunkSize) } }
}

/** end-5. Docker, podman and crane send the whole blob in one PATCH. */
async function patchUpload(
  request: HttpRequest,
  params: UploadParams,
  context: Context,
): Promise<HttpResponse> {
  const exchange = { request, context }
  return withLocation(exchange, async () => {
    const session = await context.registry.uploads.append(keyOf(params, context), chunkOf(request))
    return progress(202, session, exchange)
  })
}

/** end-6. The body, if there is one, is the last chunk. */
async function putUpload(
  request: HttpRequest,
  params: UploadParams,
  context: Context,
): Promise<HttpResponse> {
  const { name } = params
  const digest = digestIn(request.query, 'digest')
  if (!digest) {
    const message = 'the query parameter digest is missing'
    throw new RegistryError('DIGEST_INVALID', { message, detail: { missing: 'digest' } })
  }
  const chunk = bodyLength(request) === 0 ? undefined : chunkOf(request)
  const mayPull = context.access.can('pull', name)
  return withLocation({ request, context }, async () => {
    await context.registry.uploads.finish(keyOf(params, context), digest, chunk, mayPull)
    return created(request, name, digest)
  })
}

/** end-13. */
async function getUpload(
  request: HttpRequest,
  params: UploadParams,
  context: Context,
): Promise<HttpResponse> {
  const session = await context.registry.uploads.status(keyOf(params, context))
  // The edge redirects a PATCH here that is too large for the API, when the relay was not ready at the POST.
  if (request.query.has(WAKE)) await context.relay?.wakeForPatch(request.headers['user-agent'])
  return progress(204, session, { request, context })
}

/** end-14. */
async function deleteUpload(_: HttpRequest, params: UploadParams, context: Context): Promise<HttpResponse> {
  await context.registry.uploads.cancel(keyOf(params, context))
  return emptyResponse(204)
}

/** To a subject, a session that another subject began does not exist. */
function keyOf({ name, upload }: UploadParams, { access: { owner } }: Context): SessionKey {
  return { name, upload, owner }
}

function chunkOf(request: HttpRequest): Chunk {
  const header = request.headers['content-range']
  if (header === undefined) return { bytes: request.body }
  const range = parseChunkRange(header)
  const expected = range.last - range.first + 1
  const length = bodyLength(request)
  if (length !== undefined && length !== expected) throw wrongLength(expected, { length })
  return { bytes: request.body, range }
}

/** The parts of an upload response that do not come from the session. */
interface Exchange {
  readonly request: HttpRequest
  readonly context: Context
}

/** @param hint query parameter that the session's URL keeps, for the edge */
function progress(
  status: number,
  session: UploadSession,
  exchange: Exchange,
  hint = hintIn(exchange.request),
): HttpResponse {
  const { upload, size } = session
  const location = sessionUrl(session, exchange, hint)
  return emptyResponse(status, { location, range: uploadRange(size), 'docker-upload-uuid': upload })
}

/** The URL of a session. It always has a query, because many clients append `&digest=` without looking for one. */
function sessionUrl(
  session: UploadSession,
  { request, context: { signUpload, access } }: Exchange,
  hint = hintIn(request),
): string {
  const parameters = [access.uploadToken(session, session.expires), signUpload?.(session), hint]
  const query = parameters.filter(Boolean).join('&')
  return locationUrl(request, `${uploadPath(session)}?${query || 'v=1'}`)
}

/** The hint that the URL of this request has: the relay was ready when the upload began. */
function hintIn({ query }: HttpRequest): string | undefined {
  return query.get('relay') === '1' ? 'relay=1' : undefined
}

function ownUrl(request: HttpRequest): string {
  const query = request.query.toString()
  return locationUrl(request, query ? `${request.path}?${query}` : request.path)
}

/** Adds the URL of the session to the error for a chunk out of order, so that the client can continue. */
async function withLocation(exchange: Exchange, work: () => Promise<HttpResponse>): Promise<HttpResponse> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof OutOfOrder)) throw error
    throw new OutOfOrder(error.session, { location: sessionUrl(error.session, exchange) })
  }
}

function created(request: HttpRequest, name: RepositoryName, digest: Digest): HttpResponse {
  const location = locationUrl(request, blobPath(name, digest))
  return emptyResponse(201, { location, 'docker-content-digest': digest })
}

function digestIn(query: URLSearchParams, parameter: string): Digest | undefined {
  const text = query.get(parameter)
  return text === null ? undefined : parseDigest(text)
}

/** The parsed text. `undefined` when it is absent or malformed. */
function wellFormed<T>(text: string | null | undefined, parse: (text: string) => T): T | undefined {
  try {
    return text == null ? undefined : parse(text)
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}

export const uploadRoutes = [
  route('POST', UPLOADS, 'push', postUpload),
  route('PATCH', UPLOAD, 'push', patchUpload),
  route('PUT', UPLOAD, 'push', putUpload),
  route('GET', UPLOAD, 'push', getUpload),
  route('DELETE', UPLOAD, 'push', deleteUpload),
]
