import * as v from 'valibot'
import { explainDecision, type TagExists } from '../auth/policy/explain.ts'
import { NO_POLICY, Policy } from '../auth/policy/policy.ts'
import { ACTIONS } from '../auth/policy/schema.ts'
import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { accountsOf, loginsAreOff } from './account-responses.ts'
import { apiRoute } from './api-route.ts'
import type { Context } from './context.ts'
import { policyErrorsAsBadRequest, readJson } from './json-body.ts'
import { jsonResponse } from './responses.ts'

const POLICY = '/api/policy'

const version = v.pipe(v.number(), v.integer(), v.minValue(0))
/** The policy is checked where it is stored, by the same schema as in a file. */
const NewPolicy = v.strictObject({ policy: v.unknown(), version })
/** A policy and the number of its version, which is 0 before the first one. */
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
/** Loose: what is said about a decision grows with the policy. */
export const Decision = v.looseObject({
  allowed: v.boolean(),
  because: v.pipe(v.string(), v.description('The rule that decides, for people.')),
  sentence: v.pipe(v.string(), v.description('The whole decision, for people.')),
})

const getPolicy = async (_: HttpRequest, __: object, { policies }: Context) =>
  jsonResponse((await policies?.current()) ?? { policy: NO_POLICY, version: 0 })

async function replacePolicy(request: HttpRequest, _: object, context: Context): Promise<HttpResponse> {
  const { policy, version } = await readJson(request, NewPolicy)
  const policies = context.policies ?? loginsAreOff()
  return jsonResponse(await policyErrorsAsBadRequest(() => policies.replace(policy, version)))
}

async function explainPolicy(request: HttpRequest, _: object, context: Context): Promise<HttpResponse> {
  const question = await readJson(request, Question)
  const { policies = loginsAreOff(), registry } = context
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
      description: '`version` is the version that this policy replaces. Another version is refused.',
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
      summary: 'Explain what the policy decides, and why',
      request: { schema: Question },
      response: { status: 200, description: 'The decision.', schema: Decision },
      errors: [404],
    },
    explainPolicy,
  ),
]
