import { RegistryError } from '../protocol/errors.ts'
import type { RepositoryName } from '../protocol/name.ts'
import { withCors } from './cors.ts'
import { isCrossSite } from './csrf.ts'
import { explainExhaustion } from './exhausted.ts'
import { ClientGone, type HttpRequest, type HttpResponse } from './message.ts'
import type { Origin } from './origin.ts'
import { type Match, match, type Route } from './router.ts'
import { splitAtMarks } from './upload-query.ts'

/** A request served, and what the log shall say of it. */
export interface HandledRequest {
  /** Absent when the client went away before it could be answered. */
  readonly response?: HttpResponse
  /** The row of the route table, by its path template. */
  readonly route?: string
  readonly action?: string
  readonly repository?: RepositoryName
  /** The code of the error document, when the response is one. */
  readonly code?: string
  /** What went wrong on our side. The client is told nothing of it. */
  readonly fault?: unknown
}

/** The whole registry as one function. It never rejects. */
export type App = (request: HttpRequest) => Promise<HandledRequest>

interface AppParts<C, A, R extends string> {
  readonly routes: readonly Route<C & { readonly access: A }, R>[]
  readonly context: C
  /** Says what the caller may do, before any handler runs. Throws when that is not enough for the route. */
  readonly authorize: (
    request: HttpRequest,
    need: Pick<Match<unknown>, 'params'> & { readonly action: R },
  ) => Promise<A>
  /** Says what an error of the layers below means to a client; `undefined` for one that nobody foresaw. */
  readonly explain: (error: unknown) => RegistryError | undefined
  /** The configured origin of this registry, such as `https://registry.example`. It replaces the origin of every request. */
  readonly origin?: string | undefined
  /** Origins of other sites whose pages may use this registry from a browser. */
  readonly corsOrigins?: readonly string[]
}

/** Docker looks for the first to tell a v2 registry; the second keeps a browser from making a page of a blob. */
const COMMON = { 'docker-distribution-api-version': 'registry/2.0', 'x-content-type-options': 'nosniff' }

/** Joins the route table to what it works on. The one place where an error becomes a response. */
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
    let about: HandledRequest = {}
    try {
      const { route, params } = match(routes, request.method, request.path)
      about = { route: route.path, action: route.action, ...(params.name && { repository: params.name }) }
      if (params.upload) request = { ...request, query: splitAtMarks(request.query) }
      if (isCrossSite(request, corsOrigins))
        throw new RegistryError('DENIED', { detail: { reason: 'a browser sends this for another site' } })
      const access = await authorize(request, { action: route.action, params })
      const response = await route.handle(request, params, { ...context, access })
      return { ...about, response: { ...response, headers: { ...COMMON, ...response.headers } } }
    } catch (error) {
      if (error instanceof ClientGone) return about
      const known = error instanceof RegistryError ? error : (explain(error) ?? explainExhaustion(error))
      const told = known ?? new RegistryError('UNKNOWN')
      const fault = known && !known.isFault ? undefined : error
      return {
        ...about,
        response: errorResponse(told, request.method),
        code: told.code,
        ...(fault !== undefined && { fault }),
      }
    }
  }
  return withCors(app, corsOrigins)
}

/** An OCI error document. A HEAD gets its headers alone. */
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
