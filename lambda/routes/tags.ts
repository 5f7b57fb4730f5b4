import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { type Params, route } from '../http/router.ts'
import { nextLink, parsePage } from '../protocol/pagination.ts'
import type { Context } from './context.ts'
import { jsonResponse } from './responses.ts'

const TAGS = '/v2/<name>/tags/list'
const MOST_TAGS = 1000

/** end-8a and 8b, of the tags that the caller may pull. */
async function listTags(
  { query }: HttpRequest,
  { name }: Params<typeof TAGS>,
  { registry, origin, access }: Context,
): Promise<HttpResponse> {
  const page = parsePage(query, MOST_TAGS)
  const { tags, more } = await registry.tags.list(name, page, tag => access.can('pull', name, tag))
  const next = { n: String(page.limit), last: tags.at(-1) }
  return jsonResponse({ name, tags }, more ? { link: nextLink(`${origin}/v2/${name}/tags/list`, next) } : {})
}

export const tagRoutes = [route('GET', TAGS, 'pull', listTags)]
