import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { locationUrl } from '../http/origin.ts'
import { type Params, route } from '../http/router.ts'
import { OCI_INDEX } from '../protocol/media-types.ts'
import { nextLink, parsePage } from '../protocol/pagination.ts'
import type { Context } from './context.ts'
import { jsonResponse } from './responses.ts'

const REFERRERS = '/v2/<name>/referrers/<digest>'
/** Maximum number of referrers in one page. */
const MAX_REFERRERS = 1000

/** end-12a and 12b. The list is an empty index when the digest has no referrers or does not exist. */
async function listReferrers(
  request: HttpRequest,
  { name, digest }: Params<typeof REFERRERS>,
  { registry }: Context,
): Promise<HttpResponse> {
  const { query } = request
  // `+` in a query means a space. No media type contains a space, so the client did not encode the `+` of `spdx+json`.
  const artifactType = query.get('artifactType')?.replaceAll(' ', '+') || undefined
  const page = parsePage(query, MAX_REFERRERS)
  const { referrers, next } = await registry.referrers.list(name, digest, page, artifactType)
  const parameters = { artifactType, n: query.get('n') ? String(page.limit) : undefined, last: next }
  return jsonResponse(
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: referrers },
    {
      'content-type': OCI_INDEX,
      ...(artifactType && { 'oci-filters-applied': 'artifactType' }),
      ...(next && { link: nextLink(locationUrl(request, `/v2/${name}/referrers/${digest}`), parameters) }),
    },
  )
}

export const referrerRoutes = [route('GET', REFERRERS, 'pull', listReferrers)]
