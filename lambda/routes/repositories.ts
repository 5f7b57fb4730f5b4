import * as v from 'valibot'
import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { locationUrl } from '../http/origin.ts'
import { type Params, route } from '../http/router.ts'
import { nextLink, parsePage } from '../protocol/pagination.ts'
import { apiRoute } from './api-route.ts'
import type { Context } from './context.ts'
import { jsonResponse } from './responses.ts'
import { tagGuard } from './tag-guard.ts'

const CATALOG = '/v2/_catalog'
const REPOSITORY = '/api/repositories/<name>'
/** Maximum number of repositories in one page. */
const MAX_REPOSITORIES = 1000

/**
 * Lists the repositories that the caller may pull from, like the catalog of the Docker registry. The distribution spec
 * does not define it but reserves its path.
 */
async function listRepositories(
  request: HttpRequest,
  _: object,
  { registry, access }: Context,
): Promise<HttpResponse> {
  const page = parsePage(request.query, MAX_REPOSITORIES)
  const { names, more } = await registry.repositories.list(page, access.visible)
  const next = { n: String(page.limit), last: names.at(-1) }
  return jsonResponse(
    { repositories: names },
    more ? { link: nextLink(locationUrl(request, CATALOG), next) } : {},
  )
}

/**
 * Removes a batch of manifests of a repository, and the repository with the last batch. The distribution spec has no
 * request for it. The caller must be allowed to delete all tags of the repository.
 */
async function removeRepository(
  _: HttpRequest,
  { name }: Params<typeof REPOSITORY>,
  { registry, access }: Context,
): Promise<HttpResponse> {
  return jsonResponse(await registry.repositories.remove(name, tagGuard(name, access)))
}

const Removed = v.strictObject({
  removed: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(0),
    v.description('Manifests removed by this request.'),
  ),
  more: v.pipe(v.boolean(), v.description('Whether to send the request again.')),
})

export const repositoryRoutes = [
  route('GET', CATALOG, 'list', listRepositories),
  apiRoute(
    'DELETE',
    REPOSITORY,
    'delete',
    {
      operationId: 'removeRepository',
      summary: 'Remove a repository with all its tags and manifests',
      description: 'Removes a batch. Repeat the request while `more` is true.',
      response: { status: 200, description: 'What was removed.', schema: Removed },
      errors: [400, 404],
    },
    removeRepository,
  ),
]
