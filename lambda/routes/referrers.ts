import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { type Params, route } from '../http/router.ts'
import { OCI_INDEX } from '../protocol/media-types.ts'
import { nextLink, parsePage } from '../protocol/pagination.ts'
import type { Context } from './context.ts'
import { jsonResponse } from './responses.ts'

const REFERRERS = '/v2/<name>/referrers/<digest>'
const MOST_REFERRERS = 1000

/** end-12a and 12b. Nothing that refers to the digest, or no such digest, is an empty index. */
async function listReferrers(
  { query }: HttpRequest,
  { name, digest }: Params<typeof REFERRERS>,
  { registry, origin }: Context,
): Promise<HttpResponse> {
  // In a query `+` stands for a space, and no media type has one: the client has not encoded the `+` of `spdx+json`.
  const artifactType = query.get('artifactType')?.replaceAll(' ', '+') || undefined
  const page = parsePage(query, MOST_REFERRERS)
  const { referrers, next } = await registry.referrers.list(name, digest, page, artifactType)
  const parameters = { artifactType, n: query.get('n') ? String(page.limit) : undefined, last: next }
  return jsonResponse(
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: referrers },
    {
      'content-type': OCI_INDEX,
      ...(artifactType && { 'oci-filters-applied': 'artifactType' }),
      ...(next && { link: nextLink(`${origin}/v2/${name}/referrers/${digest}`, parameters) }),
    },
  )
}

export const referrerRoutes = [route('GET', REFERRERS, 'pull', listReferrers)]
