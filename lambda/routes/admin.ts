import * as v from 'valibot'
import type { Access } from '../auth/access.ts'
import type { Accounts } from '../auth/accounts.ts'
import { explainWish, type TagExists } from '../auth/explain.ts'
import { sayIssue } from '../auth/issue.ts'
import { NO_POLICY, PolicyError } from '../auth/policy.ts'
import { subjectId } from '../auth/subject.ts'
import { readBody } from '../http/body.ts'
import type { Request, Response } from '../http/message.ts'
import { type Params, route } from '../http/router.ts'
import { RegistryError } from '../protocol/errors.ts'
import { empty, json } from './answers.ts'
import type { Context } from './context.ts'

/*
 * What administrators do, by the command `longshore` or by themselves: JSON both ways. Tags and manifests are deleted through the
 * registry's own end-points.
 */

const MOST_JSON = 512 * 1024
const USER = '/api/users/<account>'
const ROBOT = '/api/robots/<account>'
const KEY = '/api/robots/<account>/key'

/** Each one more in the cost doubles the time that a login takes, and whoever knows the name can make us take it: with 14 it is some seconds. */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}$/

/** A robot's key is shown once: nothing in between may keep it. */
const UNKEPT = { 'cache-control': 'no-store' }

const USER_PARTS = {
  password: v.optional(v.string()),
  groups: v.optional(v.array(v.string())),
  admin: v.optional(v.boolean()),
}
const UserChange = v.strictObject({ ...USER_PARTS, disabled: v.optional(v.boolean()) })
const NewUser = v.strictObject({
  name: v.string(),
  ...USER_PARTS,
  hash: v.optional(v.pipe(v.string(), v.regex(BCRYPT, 'is no bcrypt hash of cost 4 to 14'))),
})
const expires = v.optional(
  v.pipe(
    v.string(),
    v.isoTimestamp(),
    v.transform(Date.parse),
    v.number('is no time'), // some of what has the form JavaScript cannot read
  ),
)
const NewRobot = v.strictObject({ name: v.string(), grants: v.unknown(), expires })
const NewKey = v.strictObject({ expires })
const NewPolicy = v.strictObject({
  policy: v.unknown(),
  version: v.pipe(v.number(), v.integer(), v.minValue(0)),
})
const Question = v.strictObject({
  who: v.string(),
  action: v.string(),
  repository: v.string(),
  tag: v.optional(v.string()),
  claims: v.optional(v.record(v.string(), v.string())),
})

async function whoAmI(_: Request, __: object, { access }: Context): Promise<Response> {
  const { subject } = access
  const { kind } = subject
  return json({
    id: subjectId(subject),
    kind,
    ...(kind === 'user' && { groups: subject.groups, admin: subject.admin }),
    ...(kind === 'robot' && { grants: subject.grants }),
    ...(kind === 'role' && { account: subject.account, session: subject.session }),
    ...(kind === 'oidc' && { claims: subject.claims }),
  })
}

/** Everybody may change his own password. */
async function changeOwnPassword(request: Request, _: object, context: Context): Promise<Response> {
  const { password } = await read(request, v.strictObject({ password: v.string() }))
  await accountsOf(context).changeUser(ownName(context.access), { password })
  return empty(204)
}

const listUsers = async (_: Request, __: object, context: Context) =>
  json({ users: await accountsOf(context).list('user') })

async function addUser(request: Request, _: object, context: Context): Promise<Response> {
  const { name, hash, ...about } = await read(request, NewUser)
  return created(await accountsOf(context).addUser(name, { ...clean(about), ...(hash && { secret: hash }) }))
}

async function changeUser(
  request: Request,
  { account }: Params<typeof USER>,
  context: Context,
): Promise<Response> {
  return json(await accountsOf(context).changeUser(account, clean(await read(request, UserChange))))
}

async function removeUser(_: Request, { account }: Params<typeof USER>, context: Context): Promise<Response> {
  await accountsOf(context).remove(account, 'user')
  return empty(204)
}

const listRobots = async (_: Request, __: object, context: Context) =>
  json({ robots: await accountsOf(context).list('robot') })

async function addRobot(request: Request, _: object, context: Context): Promise<Response> {
  const { name, grants, expires } = await read(request, NewRobot)
  const until = expires === undefined ? {} : { expires }
  return created(await readable(() => accountsOf(context).addRobot(name, { grants, ...until })))
}

async function renewKey(
  request: Request,
  { account }: Params<typeof KEY>,
  context: Context,
): Promise<Response> {
  const { expires } = await read(request, NewKey)
  return json(await accountsOf(context).renewKey(account, expires), UNKEPT)
}

async function removeRobot(
  _: Request,
  { account }: Params<typeof ROBOT>,
  context: Context,
): Promise<Response> {
  await accountsOf(context).remove(account, 'robot')
  return empty(204)
}

const getPolicy = async (_: Request, __: object, { policies }: Context) =>
  json((await policies?.current()) ?? { policy: NO_POLICY, version: 0 })

async function putPolicy(request: Request, _: object, context: Context): Promise<Response> {
  const { policy, version } = await read(request, NewPolicy)
  const policies = context.policies ?? noLogins()
  return json(await readable(() => policies.replace(policy, version)))
}

async function explain(request: Request, _: object, context: Context): Promise<Response> {
  const question = await read(request, Question)
  const { policies = noLogins(), registry } = context
  const { policy } = await policies.current()
  const tagExists: TagExists = async (name, tag) => (await registry.tags.find(name, tag)) !== undefined
  return json(await readable(() => explainWish(policy, accountsOf(context), question, tagExists)))
}

async function read<T>(request: Request, schema: v.GenericSchema<unknown, T>): Promise<T> {
  const text = Buffer.from(await readBody(request, MOST_JSON)).toString() || '{}'
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text)
  if (parsed.success) return parsed.output
  throw badRequest(sayIssue(parsed.issues, 'the body'))
}

/** A policy or a grant that does not read is the client's mistake. */
async function readable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof PolicyError ? badRequest(error.message) : error
  }
}

function clean<T extends object>(about: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(about).filter(([, value]) => value !== undefined)) as never
}

function created(value: object): Response {
  return { ...json(value, UNKEPT), status: 201 }
}

function accountsOf({ accounts }: Context): Accounts {
  return accounts ?? noLogins()
}

function ownName({ subject }: Access): string {
  if (subject.kind === 'user') return subject.name
  throw new RegistryError('DENIED', { detail: { reason: 'only users have passwords' } })
}

function noLogins(): never {
  throw new RegistryError('NOT_FOUND', { detail: { reason: 'nobody logs in here' } })
}

function badRequest(reason: string): RegistryError {
  return new RegistryError('BAD_REQUEST', { detail: { reason } })
}

export const adminRoutes = [
  route('GET', '/api/me', 'self', whoAmI),
  route('PUT', '/api/me/password', 'self', changeOwnPassword),
  route('GET', '/api/users', 'admin', listUsers),
  route('POST', '/api/users', 'admin', addUser),
  route('PATCH', USER, 'admin', changeUser),
  route('DELETE', USER, 'admin', removeUser),
  route('GET', '/api/robots', 'admin', listRobots),
  route('POST', '/api/robots', 'admin', addRobot),
  route('POST', KEY, 'admin', renewKey),
  route('DELETE', ROBOT, 'admin', removeRobot),
  route('GET', '/api/policy', 'admin', getPolicy),
  route('PUT', '/api/policy', 'admin', putPolicy),
  route('POST', '/api/policy/explain', 'admin', explain),
]
