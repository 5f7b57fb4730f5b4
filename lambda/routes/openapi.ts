import { type ApiRoute, apiRoute } from './api-route.ts'
import { jsonResponse } from './responses.ts'

/**
 * The route that serves the OpenAPI document of `routes` and of itself. It requires no login, because the document is
 * the same in every registry. The document is created at the first request, so that a cold start does not load that
 * code.
 */
export function openApiRoute(routes: readonly ApiRoute[]): ApiRoute {
  let document: Promise<object> | undefined
  const row: ApiRoute = apiRoute(
    'GET',
    '/api/openapi.json',
    'none',
    {
      operationId: 'getOpenApi',
      summary: 'Read this document',
      response: { status: 200, description: 'An OpenAPI 3.1 document.' },
    },
    async () => {
      document ??= import('./openapi-document.ts').then(({ openApiDocument }) =>
        openApiDocument([...routes, row]),
      )
      return jsonResponse(await document)
    },
  )
  return row
}
