import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { beforeAll, describe, expect, it } from 'vitest'
import type { FederatedLogin } from '../../lambda/auth/identity/federated/login.ts'
import type { Subject } from '../../lambda/auth/identity/subject.ts'
import { routes } from '../../lambda/routes/index.ts'
import { basic, openGuarded, PASSWORD } from '../support/auth.ts'
import { openRegistry, type RequestOptions, type TestResponse } from '../support/registry.ts'

interface Operation {
  readonly operationId: string
  readonly security: readonly object[]
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>
}
type Content = Readonly<Record<string, { readonly schema: object }>>
interface Document extends Record<string, unknown> {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}

const ROOT = basic('root', PASSWORD)
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const POLICY = {
  rules: [{ name: 'readers', who: ['oidc:ci'], claims: { ref: 'main' }, may: ['pull'], on: ['**'] }],
  immutable: [{ on: ['app/*'], tags: ['v*'] }],
}

/** The routes that the document must contain: all that do not belong to the distribution protocol. */
const documented = routes.filter(({ path }) => path.startsWith('/api/') || path === '/token')
const operationOf = (method: string, path: string) => `${method} ${path.replace(/<(\w+)>/g, '{$1}')}`

async function readDocument(): Promise<Document> {
  const { json } = await openRegistry().expectStatus(200, 'GET', '/api/openapi.json')
  return json as unknown as Document
}

function operationsIn({ paths }: Document): [name: string, operation: Operation][] {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  )
}

describe('the OpenAPI document', () => {
  let document: Document
  beforeAll(async () => {
    document = await readDocument()
  })

  it('is valid by the OpenAPI 3.1 schema', async () => {
    const validator = new Validator()

    const { valid, errors } = await validator.validate({ ...document })

    expect(errors ?? []).toEqual([])
    expect([valid, validator.version]).toEqual([true, '3.1'])
  })

  it('has every route of the API and no other', () => {
    const names = operationsIn(document).map(([name]) => name)
    expect(names.sort()).toEqual(documented.map(({ method, path }) => operationOf(method, path)).sort())
  })

  it('has a unique operationId for every operation', () => {
    const ids = operationsIn(document).map(([, { operationId }]) => operationId)
    expect(ids).toEqual([...new Set(ids)])
  })

  it('has only schemas that compile as JSON Schema 2020-12', () => {
    const compile = () => {
      for (const [, { requestBody, responses }] of operationsIn(document))
        for (const { content = {} } of [...(requestBody ? [requestBody] : []), ...Object.values(responses)])
          for (const { schema } of Object.values(content)) validatorOf(document, schema)
    }
    expect(compile).not.toThrow()
  })

  it('requires Basic authentication for routes that do not accept tokens', () => {
    const operations = new Map(operationsIn(document))
    const securityOf = (path: string, method: string) => operations.get(operationOf(method, path))?.security
    for (const { method, path, action } of documented)
      if (action === 'admin' || action === 'self') expect(securityOf(path, method)).toEqual([{ basic: [] }])
  })

  it('requires no login', async () => {
    const guarded = await openGuarded()
    expect((await guarded.request('GET', '/api/openapi.json')).status).toBe(200)
  })
})

describe('the responses of the API', () => {
  let document: Document
  let statuses: Map<string, Set<number>>
  beforeAll(async () => {
    document = await readDocument()
    statuses = await callEveryOperation(document)
  })

  it.each(documented.map(({ method, path }) => operationOf(method, path)))(
    'match the schemas of %s',
    name => {
      const operation = new Map(operationsIn(document)).get(name)
      const [success] = Object.keys(operation?.responses ?? {}).filter(status => status < '300')
      expect([...(statuses.get(name) ?? [])]).toContain(Number(success))
    },
  )

  it('include every status in the document', () => {
    const seen = [...statuses.values()].flatMap(ofOperation => [...ofOperation])
    expect(new Set(seen)).toEqual(new Set([200, 201, 204, 400, 401, 403, 404, 413, 429]))
  })
})

/**
 * Calls every operation and validates each response body with the schema of its status.
 * @returns the statuses of the responses, by operation
 */
async function callEveryOperation(document: Document): Promise<Map<string, Set<number>>> {
  const federated: FederatedLogin[] = [
    federatedLogin('oidc', { kind: 'oidc', issuer: 'ci', subject: 's', claims: { ref: 'main' } }),
    federatedLogin('aws', { kind: 'role', arn: 'arn:aws:iam::1:role/r', account: '1', session: 'x' }),
  ]
  const guarded = await openGuarded({ federated })
  const open = openRegistry()
  const statuses = new Map<string, Set<number>>()
  const operations = new Map(operationsIn(document))

  /** @param path the path template, followed by the target when the template has parameters */
  async function call(
    registry: { request(method: string, target: string, sent?: RequestOptions): Promise<TestResponse> },
    [method, path, target = path]: [method: string, path: string, target?: string],
    headers: Record<string, string> = {},
    body?: unknown,
  ): Promise<TestResponse> {
    const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
    const response = await registry.request(method, target, {
      headers,
      ...(text !== undefined && { body: text }),
    })
    const name = `${method} ${path}`
    const description = operations.get(name)?.responses[String(response.status)]
    expect(description, `${name} returned ${response.status}, which is not in the document`).toBeDefined()
    const schema = description?.content?.['application/json']?.schema
    if (schema) expectValid(document, schema, response.json, `${name} ${response.status}`)
    else if (name !== 'GET /api/openapi.json') expect(response.text).toBe('')
    statuses.set(name, (statuses.get(name) ?? new Set()).add(response.status))
    return response
  }
  const asRoot = (operation: [string, string, string?], body?: unknown) =>
    call(guarded, operation, ROOT, body)

  await call(guarded, ['GET', '/api/openapi.json'])
  await call(open, ['GET', '/api/me'])
  await call(guarded, ['GET', '/api/me'])
  for (const name of ['oidc', 'aws']) await call(guarded, ['GET', '/api/me'], basic(name, 'x'))
  await asRoot(['GET', '/api/me'])
  await asRoot(['PUT', '/api/me/password'], { password: 'short' })
  await call(guarded, ['PUT', '/api/me/password'], basic('oidc', 'x'), { password: PASSWORD })

  await asRoot(['POST', '/api/users'], { name: 'ann', password: PASSWORD, groups: ['a'], admin: true })
  await asRoot(['POST', '/api/users'], { name: 'ann' })
  await asRoot(['POST', '/api/users'], { name: 'bob', hash: 'x' })
  await asRoot(['POST', '/api/users'], 'x'.repeat(600_000))
  await call(guarded, ['PUT', '/api/me/password'], basic('ann', PASSWORD), { password: `${PASSWORD}!` })
  await asRoot(['GET', '/api/users'])
  await asRoot(['PATCH', '/api/users/{account}', '/api/users/ann'], { disabled: true, admin: false })
  await asRoot(['PATCH', '/api/users/{account}', '/api/users/nobody'], {})
  await asRoot(['DELETE', '/api/users/{account}', '/api/users/ann'])
  await asRoot(['DELETE', '/api/users/{account}', '/api/users/ann'])
  await call(guarded, ['GET', '/api/users'], basic('oidc', 'x'))
  await call(open, ['GET', '/api/users'])

  const grants = [{ may: ['pull'], on: ['**'], tags: ['v*'] }]
  const added = await asRoot(['POST', '/api/robots'], { name: 'ci', grants, expires: '2030-01-31T12:00:00Z' })
  await asRoot(['POST', '/api/robots'], { name: 'cd', grants: [{ may: ['fly'], on: [] }] })
  const { key } = added.json as { key?: string }
  await call(guarded, ['GET', '/api/me'], basic('ci', key ?? ''))
  await asRoot(['GET', '/api/robots'])
  await asRoot(['POST', '/api/robots/{account}/key', '/api/robots/ci/key'], { expires: 'soon' })
  await asRoot(['POST', '/api/robots/{account}/key', '/api/robots/ci/key'], {})
  await asRoot(['DELETE', '/api/robots/{account}', '/api/robots/ci'])

  await asRoot(['GET', '/api/policy'])
  await asRoot(['PUT', '/api/policy'], { policy: POLICY, version: 0 })
  await asRoot(['PUT', '/api/policy'], { policy: POLICY, version: 0 })
  await asRoot(['GET', '/api/policy'])
  const question = { who: 'oidc:ci', action: 'pull', repository: 'app/web', claims: { ref: 'main' } }
  await asRoot(['POST', '/api/policy/explain'], question)
  await asRoot(['POST', '/api/policy/explain'], { ...question, action: 'fly' })

  await open.pushImage('team/app', 'v1')
  const repository = '/api/repositories/{name}'
  await call(open, ['DELETE', repository, '/api/repositories/team/app'])
  await call(open, ['DELETE', repository, '/api/repositories/TEAM'])

  await call(guarded, ['GET', '/token'])
  await call(guarded, ['GET', '/token', '/token?offline_token=true'], ROOT)
  await call(open, ['GET', '/token'])
  const login = `grant_type=password&username=root&password=${PASSWORD}&access_type=offline`
  await call(guarded, ['POST', '/token'], FORM, login)
  await call(guarded, ['POST', '/token'], FORM, 'grant_type=magic')
  for (let tries = 0; tries <= 10; tries++)
    await call(guarded, ['GET', '/token'], basic('root', `wrong ${tries}`))
  return statuses
}

function federatedLogin(
  username: 'aws' | 'oidc',
  subject: Extract<Subject, { kind: 'role' | 'oidc' }>,
): FederatedLogin {
  return { username, login: async () => subject }
}

function expectValid(document: Document, schema: object, value: unknown, operation: string): void {
  const validate = validatorOf(document, schema)
  const isValid = validate(value)
  expect(isValid, `${operation}: ${JSON.stringify(validate.errors)} ${JSON.stringify(value)}`).toBe(true)
}

const validators = new Map<string, ValidateFunction>()
const ajv = new Ajv2020({ strict: false, validateFormats: false })
const ROOT_SCHEMA = 'longshore'

/** A cached validator. It does not check formats, which the schemas of the server check. */
function validatorOf({ components }: Document, schema: object): ValidateFunction {
  if (!ajv.getSchema(ROOT_SCHEMA))
    ajv.addSchema({ $id: ROOT_SCHEMA, ...withAbsoluteReferences({ components }) })
  const absolute = withAbsoluteReferences(schema)
  const key = JSON.stringify(absolute)
  const validate = validators.get(key) ?? ajv.compile(absolute)
  validators.set(key, validate)
  return validate
}

/** Makes the references of a schema independent of its place, so that the components are compiled once. */
function withAbsoluteReferences<T extends object>(schema: T): T {
  return JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', `"$ref":"${ROOT_SCHEMA}#/`))
}
