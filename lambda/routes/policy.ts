import * as v from 'valibot'
import { explainWish, type TagExists } from '../auth/explain.ts'
import { ACTIONS } from '../auth/grant.ts'
import { NO_POLICY, Policy } from '../auth/policy.ts'
import type { Request, Response } from '../http/message.ts'
import { accountsOf, loginsAreOff } from './account-responses.ts'
import { json } from './answers.ts'
import { apiRoute } from './api-route.ts'
import type { Context } from './context.ts'
import { policyErrorsAsBadRequest, readJson } from './json-body.ts'

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

const getPolicy = async (_: Request, __: object, { policies }: Context) =>
  json((await policies?.current()) ?? { policy: NO_POLICY, version: 0 })

async function replacePolicy(request: Request, _: object, context: Context): Promise<Response> {
  const { policy, version } = await readJson(request, NewPolicy)
  const policies = context.policies ?? loginsAreOff()
  return json(await policyErrorsAsBadRequest(() => policies.replace(policy, version)))
}

async function explainPolicy(request: Request, _: object, context: Context): Promise<Response> {
  const question = await readJson(request, Question)
  const { policies = loginsAreOff(), registry } = context
  const { policy } = await policies.current()
  const tagExists: TagExists = async (name, tag) => (await registry.tags.find(name, tag)) !== undefined
  const explain = () => explainWish(policy, accountsOf(context), question, tagExists)
  return json(await policyErrorsAsBadRequest(explain))
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
