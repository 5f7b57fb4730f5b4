import type * as v from 'valibot'
import type { RouteAction } from '../auth/policy/actions.ts'
import type { Handler, Method, Params, Route } from '../http/router.ts'
import { route } from '../http/router.ts'
import type { Context } from './context.ts'

/** A valibot schema of a request body, a response body, or a part of one. */
export type Schema = v.BaseSchema<unknown, unknown, v.BaseIssue<unknown>>

/** The documentation of a route for the OpenAPI document, besides its method, path and action. */
export interface RouteDoc {
  /** Unique in the document. Generated clients name their methods after it. */
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  /** Query parameters. All are optional. A `repeated` parameter may occur more than once. */
  readonly query?: Readonly<Record<string, { readonly description: string; readonly repeated?: boolean }>>
  readonly request?: {
    readonly schema: Schema
    /** `application/json` when absent. */
    readonly mediaType?: 'application/x-www-form-urlencoded'
  }
  /** The response of a request that succeeds. */
  readonly response: {
    readonly status: 200 | 201 | 204
    readonly description: string
    /** Absent: the response has no body. */
    readonly schema?: Schema
  }
  /** Error statuses of the handler. The document adds those of the action and of request bodies. */
  readonly errors?: readonly (400 | 401 | 404 | 429)[]
}

/** A route with its documentation. All routes under `/api/`, and `/token`, are documented. */
export interface ApiRoute extends Route<Context, RouteAction> {
  readonly doc: RouteDoc
}

/** Creates one row of the route table, like {@link route}, with its documentation. */
export function apiRoute<const Path extends string>(
  method: Method,
  path: Path,
  action: RouteAction,
  doc: RouteDoc,
  handle: Handler<Params<Path>, Context>,
): ApiRoute {
  return { ...route(method, path, action, handle), doc }
}
