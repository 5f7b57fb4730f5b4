import { bodyLength } from '../http/body.ts'
import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { type Params, route } from '../http/router.ts'
import { algorithmOf, type Digest, parseAlgorithm, parseDigest } from '../protocol/digest.ts'
import { RegistryError } from '../protocol/errors.ts'
import { parseRepositoryName, type RepositoryName } from '../protocol/name.ts'
import { blobPath, uploadPath } from '../protocol/paths.ts'
import { parseChunkRange, uploadRange } from '../protocol/ranges.ts'
import { OutOfOrder, type UploadSession } from '../registry/sessions.ts'
import { type Chunk, wrongLength } from '../registry/uploads.ts'
import type { Context } from './context.ts'
import { emptyResponse } from './responses.ts'

const UPLOADS = '/v2/<name>/blobs/uploads/'
const UPLOAD = '/v2/<name>/blobs/uploads/<upload>'
type UploadParams = Params<typeof UPLOAD>

/** end-4a, 4b, 4c and 11: begins a session, unless the blob is in the request or can be had from another repository. */
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
  // A policy that allows the source and a token that does not: the challenge names both repositories.
  if (mount && from && access.canSee(from)) access.require('pull', from)
  // A mount is a hint: one that makes no sense, or that the caller may not have, begins an upload (spec, "Mounting a blob").
  const mayMount = from ? access.can('pull', from) : source === undefined && access.canPullAll
  const mayPull = access.can('pull', name)
  if (mount && mayMount && (await registry.blobs.mount(name, mount, from, mayPull)))
    return created(name, mount, context)

  const digest = digestIn(query, 'digest')
  if (digest) {
    await registry.uploads.push(name, digest, request.body)
    return created(name, digest, context)
  }
  const algorithm = parseAlgorithm(query.get('digest-algorithm') ?? (mount ? algorithmOf(mount) : 'sha256'))
  const begun = progress(202, name, await registry.uploads.begin(name, algorithm, access.owner), context)
  const { minChunkSize } = context
  if (minChunkSize === undefined) return begun
  return { ...begun, headers: { ...begun.headers, 'oci-chunk-min-length': String(minChunkSize) } }
}

/** end-5, and the one PATCH with the whole blob that Docker, podman and crane send. */
async function patchUpload(
  request: HttpRequest,
  { name, upload }: UploadParams,
  context: Context,
): Promise<HttpResponse> {
  const { registry, access } = context
  return locating(name, context, async () => {
    const session = await registry.uploads.append(name, upload, chunkOf(request), access.owner)
    return progress(202, name, session, context)
  })
}

/** end-6. The body, if there is one, is the last chunk. */
async function putUpload(
  request: HttpRequest,
  { name, upload }: UploadParams,
  context: Context,
): Promise<HttpResponse> {
  const digest = digestIn(request.query, 'digest')
  if (!digest) {
    const message = 'the query parameter digest is missing'
    throw new RegistryError('DIGEST_INVALID', { message, detail: { missing: 'digest' } })
  }
  const chunk = bodyLength(request) === 0 ? undefined : chunkOf(request)
  const { access } = context
  const uploader = { owner: access.owner, mayPull: access.can('pull', name) }
  return locating(name, context, async () => {
    await context.registry.uploads.finish(name, upload, digest, chunk, uploader)
    return created(name, digest, context)
  })
}

/** end-13. */
async function getUpload(
  _: HttpRequest,
  { name, upload }: UploadParams,
  context: Context,
): Promise<HttpResponse> {
  const session = await context.registry.uploads.status(name, upload, context.access.owner)
  return progress(204, name, session, context)
}

/** end-14. */
async function deleteUpload(
  _: HttpRequest,
  { name, upload }: UploadParams,
  { registry, access }: Context,
): Promise<HttpResponse> {
  await registry.uploads.cancel(name, upload, access.owner)
  return emptyResponse(204)
}

function chunkOf(request: HttpRequest): Chunk {
  const header = request.headers['content-range']
  if (header === undefined) return { bytes: request.body }
  const range = parseChunkRange(header)
  const said = range.last - range.first + 1
  const length = bodyLength(request)
  if (length !== undefined && length !== said) throw wrongLength(said, { length })
  return { bytes: request.body, range }
}

function progress(
  status: number,
  name: RepositoryName,
  session: UploadSession,
  context: Context,
): HttpResponse {
  const { id, size } = session
  const location = locationOf(name, session, context)
  return emptyResponse(status, { location, range: uploadRange(size), 'docker-upload-uuid': id })
}

/** Never without a query: many clients append `&digest=` without a look at the URL. */
function locationOf(
  name: RepositoryName,
  { id, directUntil, expires }: UploadSession,
  { origin, signUpload, access }: Context,
): string {
  const pass = directUntil === undefined ? undefined : signUpload?.(name, id, directUntil)
  const query = [access.uploadToken(name, id, expires), pass].filter(part => part !== undefined).join('&')
  return `${origin}${uploadPath(name, id)}?${query || 'v=1'}`
}

/** Tells the client of a chunk out of order at which URL to go on. */
async function locating(
  name: RepositoryName,
  context: Context,
  work: () => Promise<HttpResponse>,
): Promise<HttpResponse> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof OutOfOrder)) throw error
    throw new OutOfOrder(error.session, { location: locationOf(name, error.session, context) })
  }
}

function created(name: RepositoryName, digest: Digest, { origin }: Context): HttpResponse {
  return emptyResponse(201, { location: origin + blobPath(name, digest), 'docker-content-digest': digest })
}

function digestIn(query: URLSearchParams, parameter: string): Digest | undefined {
  const text = query.get(parameter)
  return text === null ? undefined : parseDigest(text)
}

/** What a hint says, or nothing where it says nothing that makes sense. */
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
