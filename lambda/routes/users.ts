import * as v from 'valibot'
import type { HttpRequest, HttpResponse } from '../http/message.ts'
import type { Params } from '../http/router.ts'
import { ACCOUNT_FIELDS, accountsOf, created } from './account-responses.ts'
import { apiRoute } from './api-route.ts'
import type { Context } from './context.ts'
import { readJson } from './json-body.ts'
import { emptyResponse, jsonResponse } from './responses.ts'

const USERS = '/api/users'
const USER = '/api/users/<account>'

/**
 * bcrypt hashes of cost 4 to 14. Each step of the cost doubles the time of a login, and cost 14 takes seconds. Any
 * client that knows a user name can cause that work.
 */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/

const USER_FIELDS = {
  password: v.optional(v.string()),
  groups: v.optional(v.array(v.string())),
  admin: v.optional(v.boolean()),
}
const UserChange = v.strictObject({ ...USER_FIELDS, disabled: v.optional(v.boolean()) })
const NewUser = v.strictObject({
  name: v.string(),
  ...USER_FIELDS,
  hash: v.optional(
    v.pipe(
      v.string(),
      v.regex(BCRYPT, 'must be a bcrypt hash of cost 4 to 14'),
      v.description('A bcrypt hash of cost 4 to 14, instead of the password.'),
    ),
  ),
})

export const User = v.strictObject({
  ...ACCOUNT_FIELDS,
  kind: v.literal('user'),
  groups: v.array(v.string()),
  admin: v.boolean(),
})
const Users = v.strictObject({ users: v.array(User) })

const listUsers = async (_: HttpRequest, __: object, context: Context) =>
  jsonResponse({ users: await accountsOf(context).list('user') })

async function addUser(request: HttpRequest, _: object, context: Context): Promise<HttpResponse> {
  const { name, hash, ...fields } = await readJson(request, NewUser)
  return created(
    await accountsOf(context).addUser(name, { ...withoutUndefined(fields), ...(hash && { secret: hash }) }),
  )
}

async function changeUser(
  request: HttpRequest,
  { account }: Params<typeof USER>,
  context: Context,
): Promise<HttpResponse> {
  const change = withoutUndefined(await readJson(request, UserChange))
  return jsonResponse(await accountsOf(context).changeUser(account, change))
}

async function removeUser(
  _: HttpRequest,
  { account }: Params<typeof USER>,
  context: Context,
): Promise<HttpResponse> {
  await accountsOf(context).remove(account, 'user')
  return emptyResponse(204)
}

function withoutUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never
}

export const userRoutes = [
  apiRoute(
    'GET',
    USERS,
    'admin',
    {
      operationId: 'listUsers',
      summary: 'List all users',
      response: { status: 200, description: 'All users.', schema: Users },
      errors: [404],
    },
    listUsers,
  ),
  apiRoute(
    'POST',
    USERS,
    'admin',
    {
      operationId: 'addUser',
      summary: 'Add a user',
      description: 'Either `password` or `hash` is required.',
      request: { schema: NewUser },
      response: { status: 201, description: 'Added.', schema: User },
      errors: [404],
    },
    addUser,
  ),
  apiRoute(
    'PATCH',
    USER,
    'admin',
    {
      operationId: 'changeUser',
      summary: 'Change a user',
      description:
        'Absent fields keep their values. A new password, or disabling the user, invalidates all tokens of the user.',
      request: { schema: UserChange },
      response: { status: 200, description: 'The user after the change.', schema: User },
      errors: [404],
    },
    changeUser,
  ),
  apiRoute(
    'DELETE',
    USER,
    'admin',
    {
      operationId: 'removeUser',
      summary: 'Remove a user',
      response: { status: 204, description: 'Removed.' },
      errors: [404],
    },
    removeUser,
  ),
]
