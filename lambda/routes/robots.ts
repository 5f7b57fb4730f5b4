import * as v from 'valibot'
import { Grant } from '../auth/policy/schema.ts'
import type { HttpRequest, HttpResponse } from '../http/message.ts'
import type { Params } from '../http/router.ts'
import { ACCOUNT_FIELDS, accountsOf, created, NO_STORE } from './account-responses.ts'
import { apiRoute } from './api-route.ts'
import type { Context } from './context.ts'
import { policyErrorsAsBadRequest, readJson } from './json-body.ts'
import { emptyResponse, jsonResponse } from './responses.ts'

const ROBOTS = '/api/robots'
const ROBOT = '/api/robots/<account>'
const KEY = '/api/robots/<account>/key'

const expires = v.optional(
  v.pipe(
    v.string(),
    v.isoTimestamp('must be a time such as 2030-01-31T12:00:00Z'),
    v.description('When the key expires, such as 2030-01-31T12:00:00Z. Absent: never.'),
    v.transform(Date.parse),
    v.number('must be a time such as 2030-01-31T12:00:00Z'), // the pattern accepts dates that do not exist
  ),
)
/** `Accounts` validates the grants, so that its messages name the field inside a grant. */
const NewRobot = v.strictObject({ name: v.string(), grants: v.unknown(), expires })
const NewRobotDoc = v.strictObject({ ...NewRobot.entries, grants: v.pipe(v.array(Grant), v.minLength(1)) })
const NewKey = v.strictObject({ expires })

const ROBOT_FIELDS = { ...ACCOUNT_FIELDS, kind: v.literal('robot'), grants: v.array(Grant) }
export const Robot = v.strictObject(ROBOT_FIELDS)
export const RobotWithKey = v.strictObject({
  ...ROBOT_FIELDS,
  key: v.pipe(v.string(), v.description('The password of the robot. It is shown only in this response.')),
})
const Robots = v.strictObject({ robots: v.array(Robot) })

const listRobots = async (_: HttpRequest, __: object, context: Context) =>
  jsonResponse({ robots: await accountsOf(context).list('robot') })

async function addRobot(request: HttpRequest, _: object, context: Context): Promise<HttpResponse> {
  const { name, grants, expires } = await readJson(request, NewRobot)
  const until = expires === undefined ? {} : { expires }
  const add = () => accountsOf(context).addRobot(name, { grants, ...until })
  return created(await policyErrorsAsBadRequest(add))
}

async function renewKey(
  request: HttpRequest,
  { account }: Params<typeof KEY>,
  context: Context,
): Promise<HttpResponse> {
  const { expires } = await readJson(request, NewKey)
  return jsonResponse(await accountsOf(context).renewKey(account, expires), NO_STORE)
}

async function removeRobot(
  _: HttpRequest,
  { account }: Params<typeof ROBOT>,
  context: Context,
): Promise<HttpResponse> {
  await accountsOf(context).remove(account, 'robot')
  return emptyResponse(204)
}

export const robotRoutes = [
  apiRoute(
    'GET',
    ROBOTS,
    'admin',
    {
      operationId: 'listRobots',
      summary: 'List all robots',
      response: { status: 200, description: 'All robots, without their keys.', schema: Robots },
      errors: [404],
    },
    listRobots,
  ),
  apiRoute(
    'POST',
    ROBOTS,
    'admin',
    {
      operationId: 'addRobot',
      summary: 'Add a robot',
      request: { schema: NewRobotDoc },
      response: { status: 201, description: 'Added, with its key.', schema: RobotWithKey },
      errors: [404],
    },
    addRobot,
  ),
  apiRoute(
    'POST',
    KEY,
    'admin',
    {
      operationId: 'renewRobotKey',
      summary: "Replace a robot's key",
      description:
        'The old key becomes invalid. Without `expires`, the new key expires at the same time as the old key.',
      request: { schema: NewKey },
      response: { status: 200, description: 'The robot, with its new key.', schema: RobotWithKey },
      errors: [404],
    },
    renewKey,
  ),
  apiRoute(
    'DELETE',
    ROBOT,
    'admin',
    {
      operationId: 'removeRobot',
      summary: 'Remove a robot',
      response: { status: 204, description: 'Removed.' },
      errors: [404],
    },
    removeRobot,
  ),
]
