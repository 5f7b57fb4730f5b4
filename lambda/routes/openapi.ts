import { type ApiRoute, apiRoute } from './api-route.ts'
import { jsonResponse } from './responses.ts'

/**
 * The route that serves the OpenAPI document of `routes` and of itself. Anybody may read it: it is the same in every registry.
 * The document is made at the first request, because the code that makes it is not worth loading at every cold start.
 */
export function openApiRoute(routes: readonly ApiRoute[]): ApiRoute {
  let made: Promise<object> | undefined
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
      made ??= import('./openapi-document.ts').then(({ openApiDocument }) =>
        openApiDocument([...routes, row]),
      )
      return jsonResponse(await made)
    },
  )
  return row
}
