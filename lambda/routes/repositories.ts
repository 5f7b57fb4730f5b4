import type { Request, Response } from '../http/message.ts'
import { type Params, route } from '../http/router.ts'
import { nextLink, parsePage } from '../protocol/pagination.ts'
import { json } from './answers.ts'
import type { Context } from './context.ts'
import { guardOf } from './guard.ts'

const CATALOG = '/v2/_catalog'
const REPOSITORY = '/api/repositories/<name>'
const MOST_REPOSITORIES = 1000

/** The Docker registry's listing of repositories, of those that the caller may pull. Not in the distribution spec, which reserves the path for it. */
async function listRepositories(
  { query }: Request,
  _: object,
  { registry, origin, access }: Context,
): Promise<Response> {
  const page = parsePage(query, MOST_REPOSITORIES)
  const { names, more } = await registry.repositories.list(page, access.visible)
  const next = { n: String(page.limit), last: names.at(-1) }
  return json({ repositories: names }, more ? { link: nextLink(origin + CATALOG, next) } : {})
}

/**
 * Removes a repository, which the distribution spec has no way for: `{"removed": 50, "more": true}` until there is no more. Whoever
 * does it must be allowed to delete all its tags.
 */
async function removeRepository(
  _: Request,
  { name }: Params<typeof REPOSITORY>,
  { registry, access }: Context,
): Promise<Response> {
  return json(await registry.repositories.remove(name, guardOf(name, access)))
}

export const repositoryRoutes = [
  route('GET', CATALOG, 'list', listRepositories),
  route('DELETE', REPOSITORY, 'delete', removeRepository),
]
