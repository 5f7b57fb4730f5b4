import { readBody } from '../http/body.ts'
import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { locationUrl } from '../http/origin.ts'
import { type Params, route } from '../http/router.ts'
import { accepts } from '../protocol/accept.ts'
import { RegistryError } from '../protocol/errors.ts'
import { MAX_MANIFEST_SIZE } from '../protocol/manifest.ts'
import { essence } from '../protocol/media-types.ts'
import type { RepositoryName } from '../protocol/name.ts'
import { manifestPath } from '../protocol/paths.ts'
import { parseTag, type Reference, type Tag } from '../protocol/reference.ts'
import type { ManifestInfo } from '../registry/manifests.ts'
import type { Context } from './context.ts'
import { contentHeaders, emptyResponse, etag, isNotModified } from './responses.ts'
import { tagGuard } from './tag-guard.ts'

const EXISTING = '/v2/<name>/manifests/<existing>'
const REFERENCE = '/v2/<name>/manifests/<reference>'
type Existing = Params<typeof EXISTING>

/** Maximum number of `tag` parameters of one push. The spec requires at least ten. */
const MAX_TAGS = 40

/** end-3. */
async function getManifest(
  request: HttpRequest,
  { name, existing }: Existing,
  { registry }: Context,
): Promise<HttpResponse> {
  const manifest = await registry.manifests.open(name, existing)
  const notModified = checkConditions(request, existing, manifest)
  return notModified ?? { status: 200, headers: contentHeaders(manifest), body: await manifest.load() }
}

/** end-3. */
async function headManifest(
  request: HttpRequest,
  { name, existing }: Existing,
  { registry }: Context,
): Promise<HttpResponse> {
  const manifest = await registry.manifests.stat(name, existing)
  const notModified = checkConditions(request, existing, manifest)
  return notModified ?? { status: 200, headers: contentHeaders(manifest) }
}

/** end-7a and 7b. */
async function putManifest(
  request: HttpRequest,
  { name, reference }: Params<typeof REFERENCE>,
  context: Context,
): Promise<HttpResponse> {
  const tags = tagsIn(request.query)
  const contentType = essence(request.headers['content-type'] ?? '')
  const guard = tagGuard(name, context.access)
  const allTags = reference.kind === 'tag' ? [reference.tag, ...tags] : tags
  for (const tag of allTags) await checkNewTag(name, tag, context)
  const bytes = await readBody(request, MAX_MANIFEST_SIZE)
  const options = { tags, guard, ...(contentType && { contentType }) }
  const { digest, subject } = await context.registry.manifests.put(name, reference, bytes, options)
  return emptyResponse(201, {
    location: locationUrl(request, manifestPath(name, digest)),
    'docker-content-digest': digest,
    ...(subject && { 'oci-subject': subject }),
    ...(tags.length > 0 && { 'oci-tag': tags.join(', ') }),
  })
}

/**
 * Rejects a new tag that the caller may not create before the body is read. Existing tags are checked when the push is
 * committed: a tag that already points to this manifest needs no further permission.
 * @throws {RegistryError} DENIED or UNAUTHORIZED
 */
async function checkNewTag(name: RepositoryName, tag: Tag, { registry, access }: Context): Promise<void> {
  if (access.can('create-tag', name, tag)) return
  if (await registry.tags.find(name, tag)) return
  access.require('create-tag', name, tag)
}

/** end-9. A DELETE by tag deletes the tag. A DELETE by digest deletes the manifest and all its tags. */
async function deleteManifest(
  _: HttpRequest,
  { name, existing }: Existing,
  { registry, access }: Context,
): Promise<HttpResponse> {
  const guard = tagGuard(name, access)
  if (existing.kind === 'tag') await registry.tags.delete(name, existing.tag, guard)
  else await registry.manifests.delete(name, existing.digest, guard)
  return emptyResponse(202)
}

/**
 * Evaluates Accept and If-None-Match. Accept applies to tags only: a digest names exact bytes, whereas a tag can point
 * to a type that the client does not support, for which an error is clearer than a parse failure.
 * @returns the 304 response, or `undefined` when the manifest must be sent
 * @throws {RegistryError} MANIFEST_UNKNOWN when Accept excludes the type
 */
function checkConditions(
  { headers }: HttpRequest,
  existing: Reference,
  { digest, mediaType }: ManifestInfo,
): HttpResponse | undefined {
  if (existing.kind === 'tag' && !accepts(headers.accept, mediaType))
    throw new RegistryError('MANIFEST_UNKNOWN', {
      message: `the manifest has the type ${mediaType}, which is not among the types in Accept`,
      detail: { mediaType, reason: 'not among the types in Accept' },
    })
  return isNotModified(headers['if-none-match'], digest)
    ? emptyResponse(304, { etag: etag(digest) })
    : undefined
}

function tagsIn(query: URLSearchParams): Tag[] {
  const tags = [...new Set(query.getAll('tag'))]
  if (tags.length > MAX_TAGS)
    throw new RegistryError('URI_TOO_LONG', {
      message: `a push may have at most ${MAX_TAGS} tags, not ${tags.length}`,
      detail: { tags: tags.length, limit: MAX_TAGS },
    })
  return tags.map(parseTag)
}

export const manifestRoutes = [
  route('GET', EXISTING, 'pull', getManifest),
  route('HEAD', EXISTING, 'pull', headManifest),
  route('PUT', REFERENCE, 'push', putManifest),
  route('DELETE', EXISTING, 'delete', deleteManifest),
]
