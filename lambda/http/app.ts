import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import { withCors } from './cors.ts'
import { isCrossSite } from './csrf.ts'
import { explainExhaustion } from './file-descriptors.ts'
import { ClientGone, type HttpRequest, type HttpResponse } from './message.ts'
import type { Origin } from './origin.ts'
import { type Match, match, type Route } from './router.ts'
import { splitAtQuestionMarks } from './upload-query.ts'

/** A response, and what the access log records about the request. */
export interface HandledRequest {
  /** Absent when the client closed the connection before its request had arrived. */
  readonly response?: HttpResponse
  /** The path template of the route. */
  readonly route?: string
  readonly action?: string
  readonly repository?: RepositoryName
  /** The code of the error document, when the response is one. */
  readonly code?: string
  /** A fault of the registry, for the log. The client gets no details of it. */
  readonly fault?: unknown
}

/** The complete registry as one function. It never rejects: an error becomes a response. */
export type App = (request: HttpRequest) => Promise<HandledRequest>

interface AppParts<C, A, R extends string> {
  readonly routes: readonly Route<C & { readonly access: A }, R>[]
  readonly context: C
  /** Determines what the caller may do, before any handler runs. Throws when the route requires more. */
  readonly authorize: (
    request: HttpRequest,
    requirement: Pick<Match<unknown>, 'params'> & { readonly action: R },
  ) => Promise<A>
  /** Converts an expected error of the registry or its stores. Returns `undefined` for an unexpected error. */
  readonly explain: (error: unknown) => RegistryError | undefined
  /** The configured origin, such as `https://registry.example`. It replaces the origin of every request. */
  readonly origin?: string | undefined
  /** Origins of other sites whose pages may use this registry from a browser. */
  readonly corsOrigins?: readonly string[]
}

/** Docker recognises a v2 registry by the first. The second stops browsers from rendering a blob as a page. */
const COMMON = { 'docker-distribution-api-version': 'registry/2.0', 'x-content-type-options': 'nosniff' }

const CROSS_SITE =
  'cross-site request rejected: the origin of the page must be the origin of the registry or a listed CORS origin'

/** Creates the app from the route table. The only place where an error becomes a response. */
export function createApp<C, A, R extends string>({
  routes,
  context,
  authorize,
  explain,
  origin,
  corsOrigins = [],
}: AppParts<C, A, R>): App {
  const configured: Origin | undefined = origin ? { url: origin, isConfigured: true } : undefined
  const app: App = async received => {
    let request = configured ? { ...received, origin: configured } : received
    let matched: HandledRequest = {}
    try {
      const { route, params } = match(routes, request.method, request.path)
      matched = { route: route.path, action: route.action, ...(params.name && { repository: params.name }) }
      if (params.upload) request = { ...request, query: splitAtQuestionMarks(request.query) }
      if (isCrossSite(request, corsOrigins))
        throw new RegistryError('DENIED', { detail: { reason: CROSS_SITE } })
      const access = await authorize(request, { action: route.action, params })
      const response = await route.handle(request, params, { ...context, access })
      return { ...matched, response: { ...response, headers: { ...COMMON, ...response.headers } } }
    } catch (error) {
      if (error instanceof ClientGone) return matched
      const expected = error instanceof RegistryError ? error : (explain(error) ?? explainExhaustion(error))
      const reported = expected ?? new RegistryError('UNKNOWN')
      const fault = expected && !expected.isFault ? undefined : error
      return { ...matched, ...refuse(reported, request.method), ...(fault !== undefined && { fault }) }
    }
  }
  return withCors(app, corsOrigins)
}

/** A request that is answered with an error: the response, and the code for the access log. */
export function refuse(error: RegistryError, method: string): HandledRequest {
  return { response: errorResponse(error, method), code: error.code }
}

/** A response with an OCI error document. The response to a HEAD has only the headers. */
export function errorResponse(error: RegistryError, method: string): HttpResponse {
  const body = Buffer.from(error.toDocument())
  return {
    status: error.status,
    headers: {
      ...COMMON,
      'content-type': 'application/json',
      'content-length': String(body.length),
      ...error.headers,
    },
    ...(method !== 'HEAD' && { body }),
  }
}
