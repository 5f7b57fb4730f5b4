import * as v from 'valibot'
import type { Access } from '../auth/access.ts'
import { subjectId } from '../auth/identity/subject.ts'
import { Grant } from '../auth/policy/schema.ts'
import type { HttpRequest, HttpResponse } from '../http/message.ts'
import { RegistryError } from '../protocol/errors.ts'
import { accountsOf } from './account-responses.ts'
import { apiRoute } from './api-route.ts'
import type { Context } from './context.ts'
import { readJson } from './json-body.ts'
import { emptyResponse, jsonResponse } from './responses.ts'

const id = v.pipe(v.string(), v.description('The id in `who` of a policy, such as `user:ann`.'))

/** The identity of the caller, by kind of login. */
export const Me = v.variant('kind', [
  v.strictObject({ id, kind: v.literal('anonymous') }),
  v.strictObject({ id, kind: v.literal('user'), groups: v.array(v.string()), admin: v.boolean() }),
  v.strictObject({ id, kind: v.literal('robot'), grants: v.array(Grant) }),
  v.strictObject({ id, kind: v.literal('role'), account: v.string(), session: v.string() }),
  v.strictObject({ id, kind: v.literal('oidc'), claims: v.record(v.string(), v.string()) }),
])

const NewPassword = v.strictObject({ password: v.string() })

async function getMe(_: HttpRequest, __: object, { access }: Context): Promise<HttpResponse> {
  const { subject } = access
  const { kind } = subject
  return jsonResponse({
    id: subjectId(subject),
    kind,
    ...(kind === 'user' && { groups: subject.groups, admin: subject.admin }),
    ...(kind === 'robot' && { grants: subject.grants }),
    ...(kind === 'role' && { account: subject.account, session: subject.session }),
    ...(kind === 'oidc' && { claims: subject.claims }),
  })
}

async function changeOwnPassword(request: HttpRequest, _: object, context: Context): Promise<HttpResponse> {
  const { password } = await readJson(request, NewPassword)
  await accountsOf(context).changeUser(ownName(context.access), { password })
  return emptyResponse(204)
}

function ownName({ subject }: Access): string {
  if (subject.kind === 'user') return subject.name
  throw new RegistryError('DENIED', { detail: { reason: 'only users have passwords' } })
}

export const meRoutes = [
  apiRoute(
    'GET',
    '/api/me',
    'self',
    {
      operationId: 'getMe',
      summary: 'Show the identity of the caller',
      response: { status: 200, description: 'The caller.', schema: Me },
    },
    getMe,
  ),
  apiRoute(
    'PUT',
    '/api/me/password',
    'self',
    {
      operationId: 'changeOwnPassword',
      summary: "Change the caller's own password",
      description: 'For users only. Invalidates all tokens of the account.',
      request: { schema: NewPassword },
      response: { status: 204, description: 'Changed.' },
      errors: [404],
    },
    changeOwnPassword,
  ),
]
