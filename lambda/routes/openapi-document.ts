import { type ConversionConfig, toJsonSchema, toJsonSchemaDefs } from '@valibot/to-json-schema'
import * as v from 'valibot'
import type { RouteAction } from '../auth/policy/actions.ts'
import { Policy, Rule } from '../auth/policy/policy.ts'
import { Grant } from '../auth/policy/schema.ts'
import type { ApiRoute, RouteDoc, Schema } from './api-route.ts'
import { Robot } from './robots.ts'
import { User } from './users.ts'

/** The error document of the distribution spec, section "Error Codes". */
const ErrorDocument = v.strictObject({
  errors: v.pipe(
    v.array(
      v.strictObject({
        code: v.pipe(v.string(), v.regex(/^[A-Z_]+$/)),
        message: v.string(),
        detail: v.optional(v.unknown()),
      }),
    ),
    v.minLength(1),
  ),
})

/** Schemas that the document contains once, by name, and refers to. */
const COMPONENTS: Readonly<Record<string, Schema>> = { ErrorDocument, Grant, Policy, Robot, Rule, User }

const CONFIG: ConversionConfig = {
  target: 'draft-2020-12',
  typeMode: 'input',
  errorMode: 'throw',
  // A check is a function, which JSON Schema cannot express. The description of the field contains its rule.
  ignoreActions: ['check'],
  definitions: COMPONENTS,
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
}

const STATUS_TEXTS = {
  400: 'The request is malformed. The message names the field and the rule.',
  401: 'The credentials are missing, invalid or not sufficient.',
  403: 'The caller is not allowed to perform this action.',
  404: 'The resource does not exist, or authentication is disabled.',
  413: 'The request body is too large.',
  429: 'Too many failed logins. Try again after `Retry-After` seconds.',
} as const

type ErrorStatus = keyof typeof STATUS_TEXTS

/** Error statuses of the authorizer and the app, by the action of a route. */
const ACTION_ERRORS: Readonly<Record<RouteAction, readonly ErrorStatus[]>> = {
  none: [],
  ping: [401, 429],
  list: [401, 429],
  self: [401, 403, 429],
  pull: [401, 403, 429],
  push: [401, 403, 429],
  delete: [401, 403, 429],
  admin: [401, 403, 429],
}

/** Parameters that occur in paths. */
const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  account: 'Name of a user or a robot.',
  name: 'Name of a repository. Its slashes are part of the path and are not encoded.',
}

const API_DESCRIPTION = `Accounts, policy and tokens of a Longshore registry. Images are pushed and pulled with the OCI distribution
specification, which this document does not repeat. Every error is an OCI error document.`

/**
 * Creates the OpenAPI 3.1 document of `routes` from their documentation and valibot schemas.
 * @throws {Error} when JSON Schema cannot express a schema
 */
export function openApiDocument(routes: readonly ApiRoute[]): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = route.path.replace(/<(\w+)>/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Longshore', version: '1', description: API_DESCRIPTION },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: toJsonSchemaDefs(COMPONENTS, CONFIG),
      securitySchemes: {
        basic: {
          type: 'http',
          scheme: 'basic',
          description: 'Name and password of a user, or name and key of a robot.',
        },
        bearer: { type: 'http', scheme: 'bearer', description: 'A token from `/token`.' },
      },
    },
  }
}

function operation({ method, path, action, doc }: ApiRoute): object {
  const { operationId, summary, description, request } = doc
  const parameters = [...path.matchAll(/<(\w+)>/g)].map(([, name = '']) => pathParameter(name))
  parameters.push(...queryParameters(doc))
  return {
    operationId,
    summary,
    ...(description && { description }),
    ...(parameters.length > 0 && { parameters }),
    security: securityOf(`${method} ${path}`, action),
    ...(request && {
      requestBody: {
        required: true,
        content: { [request.mediaType ?? 'application/json']: { schema: schemaOf(request.schema) } },
      },
    }),
    responses: responsesOf(doc, action),
  }
}

function pathParameter(name: string): object {
  return { name, in: 'path', required: true, description: PATH_PARAMETERS[name], schema: { type: 'string' } }
}

function queryParameters({ query = {} }: RouteDoc): object[] {
  return Object.entries(query).map(([name, { description, repeated }]) => ({
    name,
    in: 'query',
    description,
    schema: repeated ? { type: 'array', items: { type: 'string' } } : { type: 'string' },
  }))
}

/**
 * The authentication methods of a route. Tokens are valid for repositories only. `GET /token` accepts Basic or no
 * authentication. The form of `POST /token` contains the credentials.
 */
function securityOf(route: string, action: RouteAction): object[] {
  if (action === 'none') return route === 'GET /token' ? [{ basic: [] }, {}] : []
  return action === 'self' || action === 'admin' ? [{ basic: [] }] : [{ basic: [] }, { bearer: [] }]
}

function responsesOf({ response, request, errors = [] }: RouteDoc, action: RouteAction): object {
  const statuses = [...ACTION_ERRORS[action], ...errors, ...(request ? ([400, 413] as const) : [])]
  const unique = [...new Set<ErrorStatus>(statuses)].sort((a, b) => a - b)
  const { status, description, schema } = response
  return {
    [status]: { description, ...(schema && { content: jsonContent(schemaOf(schema)) }) },
    ...Object.fromEntries(unique.map(status => [status, errorResponse(STATUS_TEXTS[status])])),
    default: errorResponse('Any other error.'),
  }
}

function errorResponse(description: string): object {
  return { description, content: jsonContent({ $ref: '#/components/schemas/ErrorDocument' }) }
}

function jsonContent(schema: object): object {
  return { 'application/json': { schema } }
}

function schemaOf(schema: Schema): object {
  const { $schema: _, $defs: __, ...converted } = toJsonSchema(schema, CONFIG)
  return converted
}
