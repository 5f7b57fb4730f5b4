import * as v from 'valibot'
import { explainDecision, type TagExists } from '../auth/policy/explain.ts'
import { NO_POLICY, Policy } from '../auth/policy/policy.ts'
import { ACTIONS } from '../auth/policy/schema.ts'
import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { accountsOf, throwAuthDisabled } from './account-responses.ts'
import { apiRoute } from './api-route.ts'
import type { Context } from './context.ts'
import { policyErrorsAsBadRequest, readJson } from './json-body.ts'
import { jsonResponse } from './responses.ts'

const POLICY = '/api/policy'

const version = v.pipe(v.number(), v.integer(), v.minValue(0))
/** `Policies` validates the policy, with the same schema as a policy file. */
const NewPolicy = v.strictObject({ policy: v.unknown(), version })
/** A policy and its version number, which is 0 before the first policy is stored. */
export const PolicyVersion = v.strictObject({ policy: Policy, version })

const Question = v.strictObject({
  who: v.pipe(
    v.string(),
    v.description('`anonymous`, `user:<name>`, `robot:<name>`, `role:<ARN>` or `oidc:<issuer>`.'),
  ),
  action: v.pipe(v.string(), v.description(`One of ${ACTIONS.join(', ')}.`)),
  repository: v.string(),
  tag: v.optional(v.string()),
  claims: v.optional(v.record(v.string(), v.string())),
})
/** A loose object, because the policy language can add fields. */
export const Decision = v.looseObject({
  allowed: v.boolean(),
  because: v.pipe(v.string(), v.description('The rule that decides, as text for people.')),
  sentence: v.pipe(v.string(), v.description('The complete decision, as text for people.')),
})

const getPolicy = async (_: HttpRequest, __: object, { policies }: Context) =>
  jsonResponse((await policies?.current()) ?? { policy: NO_POLICY, version: 0 })

async function replacePolicy(request: HttpRequest, _: object, context: Context): Promise<HttpResponse> {
  const { policy, version } = await readJson(request, NewPolicy)
  const policies = context.policies ?? throwAuthDisabled()
  return jsonResponse(await policyErrorsAsBadRequest(() => policies.replace(policy, version)))
}

async function explainPolicy(request: HttpRequest, _: object, context: Context): Promise<HttpResponse> {
  const question = await readJson(request, Question)
  const { policies = throwAuthDisabled(), registry } = context
  const { policy } = await policies.current()
  const tagExists: TagExists = async (name, tag) => (await registry.tags.find(name, tag)) !== undefined
  const explain = () => explainDecision(policy, accountsOf(context), question, tagExists)
  return jsonResponse(await policyErrorsAsBadRequest(explain))
}

export const policyRoutes = [
  apiRoute(
    'GET',
    POLICY,
    'admin',
    {
      operationId: 'getPolicy',
      summary: 'Read the policy',
      response: { status: 200, description: 'The policy and its version.', schema: PolicyVersion },
    },
    getPolicy,
  ),
  apiRoute(
    'PUT',
    POLICY,
    'admin',
    {
      operationId: 'replacePolicy',
      summary: 'Replace the policy',
      description: '`version` must be the current version, which this policy replaces.',
      request: { schema: PolicyVersion },
      response: { status: 200, description: 'The policy and its new version.', schema: PolicyVersion },
      errors: [404],
    },
    replacePolicy,
  ),
  apiRoute(
    'POST',
    '/api/policy/explain',
    'admin',
    {
      operationId: 'explainPolicy',
      summary: 'Explain a decision of the policy',
      request: { schema: Question },
      response: { status: 200, description: 'The decision.', schema: Decision },
      errors: [404],
    },
    explainPolicy,
  ),
]
