import type * as v from 'valibot'
import type { RouteAction } from '../auth/policy/actions.ts'
import type { Handler, Method, Params, Route } from '../http/router.ts'
import { route } from '../http/router.ts'
import type { Context } from './context.ts'

/** Any valibot schema: of a request body, of a response body, or of a part of either. */
export type Schema = v.BaseSchema<unknown, unknown, v.BaseIssue<unknown>>

/** What the OpenAPI document says about one route, beyond its method, path and action. */
export interface RouteDoc {
  /** Unique in the document. Generated clients name their methods after it. */
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  /** Query parameters, all optional, with their meaning. A parameter marked `repeated` may occur more than once. */
  readonly query?: Readonly<Record<string, { readonly description: string; readonly repeated?: boolean }>>
  readonly request?: {
    readonly schema: Schema
    /** `application/json` when absent. */
    readonly mediaType?: 'application/x-www-form-urlencoded'
  }
  readonly response: {
    readonly status: 200 | 201 | 204
    readonly description: string
    /** Absent: no body. */
    readonly schema?: Schema
  }
  /** Error statuses of the handler itself. Those of the action and of request bodies are added by the document. */
  readonly errors?: readonly (400 | 401 | 404 | 429)[]
}

/** A route with its part of the OpenAPI document. Every route under `/api/`, and `/token`, is one. */
export interface ApiRoute extends Route<Context, RouteAction> {
  readonly doc: RouteDoc
}

/** One row of the route table, like {@link route}, with its part of the OpenAPI document. */
export function apiRoute<const Path extends string>(
  method: Method,
  path: Path,
  action: RouteAction,
  doc: RouteDoc,
  handle: Handler<Params<Path>, Context>,
): ApiRoute {
  return { ...route(method, path, action, handle), doc }
}
