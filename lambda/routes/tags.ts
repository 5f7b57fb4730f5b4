import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { locationUrl } from '../http/origin.ts'
import { type Params, route } from '../http/router.ts'
import { nextLink, parsePage } from '../protocol/pagination.ts'
import type { Context } from './context.ts'
import { jsonResponse } from './responses.ts'

const TAGS = '/v2/<name>/tags/list'
/** Maximum number of tags in one page. */
const MAX_TAGS = 1000

/** end-8a and 8b. Lists the tags that the caller may pull. */
async function listTags(
  request: HttpRequest,
  { name }: Params<typeof TAGS>,
  { registry, access }: Context,
): Promise<HttpResponse> {
  const page = parsePage(request.query, MAX_TAGS)
  const { tags, more } = await registry.tags.list(name, page, tag => access.can('pull', name, tag))
  const next = { n: String(page.limit), last: tags.at(-1) }
  const url = locationUrl(request, `/v2/${name}/tags/list`)
  return jsonResponse({ name, tags }, more ? { link: nextLink(url, next) } : {})
}

export const tagRoutes = [route('GET', TAGS, 'pull', listTags)]
