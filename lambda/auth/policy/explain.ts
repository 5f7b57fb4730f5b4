import { parseRepositoryName, type RepositoryName } from '../../protocol/name.ts'
import { parseTag, type Tag } from '../../protocol/reference.ts'
import type { Accounts } from '../identity/accounts.ts'
import { ANONYMOUS, type Subject } from '../identity/subject.ts'
import { type Decision, decide, type Policy, PolicyError } from './policy.ts'
import { ACTIONS, type PolicyAction, type Right } from './schema.ts'

/** What somebody wants to know of the policy. */
export interface AccessQuestion {
  /** `anonymous`, `user:<name>`, `robot:<name>`, `role:<arn>`, `oidc:<issuer>`. */
  readonly who: string
  readonly action: string
  readonly repository: string
  readonly tag?: string | undefined
  readonly claims?: Readonly<Record<string, string>> | undefined
}

interface Explanation extends Decision {
  /** For people: who may or may not do what, and why. */
  readonly sentence: string
  /** Of a push by tag: each right that it needs now, and whether it is there. */
  readonly needs?: readonly (Decision & { readonly action: Right })[]
}

/** Whether a tag exists. A push by tag needs `create-tag` or `overwrite-tag`, depending on that. */
export type TagExists = (repository: RepositoryName, tag: Tag) => Promise<boolean>

/**
 * Which rule decides. A push by tag is answered for all that it needs.
 * @throws {PolicyError} for a question that makes no sense; {RegistryError} NAME_INVALID, TAG_INVALID
 */
export async function explainDecision(
  policy: Policy,
  accounts: Accounts,
  { who, action, repository, tag, claims = {} }: AccessQuestion,
  tagExists: TagExists,
): Promise<Explanation> {
  if (!isAction(action)) throw new PolicyError(`action: is none of ${ACTIONS.join(', ')}`)
  const name = parseRepositoryName(repository)
  const parsedTag = tag === undefined ? undefined : parseTag(tag)
  const subject = await subjectFor(accounts, who, claims)
  const decided = (right: Right, of?: Tag) => decide(policy, subject, { action: right, repository, tag: of })
  if (action === 'push' && parsedTag !== undefined) {
    const exists = await tagExists(name, parsedTag)
    return explainPush(`${who} %s push on ${name}:${parsedTag}`, exists, {
      content: decided('push-content'),
      create: decided('create-tag', parsedTag),
      overwrite: decided('overwrite-tag', parsedTag),
    })
  }
  const decision = decided(action === 'push' ? 'push-content' : action, parsedTag)
  const where = tag === undefined ? repository : `${repository}:${tag}`
  const may = decision.allowed ? 'may' : 'may not'
  const how = action === 'push' ? ' by digest' : ''
  return { ...decision, sentence: `${who} ${may} ${action} on ${where}${how}, because ${decision.because}` }
}

interface PushDecisions {
  readonly content: Decision
  readonly create: Decision
  readonly overwrite: Decision
}

/** @param claim with `%s` where "may" or "may not" belongs */
function explainPush(
  claim: string,
  exists: boolean,
  { content, create, overwrite }: PushDecisions,
): Explanation {
  const action = exists ? 'overwrite-tag' : 'create-tag'
  const needed = exists ? overwrite : create
  const needs = [
    { action: 'push-content' as const, ...content },
    { action: action as Right, ...needed },
  ]
  const missing = needs.find(({ allowed }) => !allowed)
  const state = exists ? 'the tag exists' : 'the tag does not exist'
  if (missing) {
    const because = `${missing.action} is missing: ${missing.because}`
    const sentence = `${claim.replace('%s', 'may not')}, because ${state} and ${because}`
    return { allowed: false, because: missing.because, needs, sentence }
  }
  const because = [...new Set(needs.map(need => need.because))].join(' and ')
  const later =
    exists || overwrite.allowed ? '' : `; once it exists, overwrite-tag is refused: ${overwrite.because}`
  const sentence = `${claim.replace('%s', 'may')}, because ${because} (${state}${later})`
  return { allowed: true, because, needs, sentence }
}

function isAction(text: string): text is PolicyAction {
  return (ACTIONS as readonly string[]).includes(text)
}

async function subjectFor(
  accounts: Accounts,
  who: string,
  claims: Readonly<Record<string, string>>,
): Promise<Subject> {
  if (who === 'anonymous') return ANONYMOUS
  const [, kind = '', name = ''] = /^(user|robot|role|oidc):(.+)$/.exec(who) ?? []
  if (kind === 'role')
    return { kind, arn: name, account: name.split(':')[4] ?? '', session: claims.session ?? '' }
  if (kind === 'oidc') return { kind, issuer: name, subject: claims.sub ?? '', claims }
  if (kind !== 'user' && kind !== 'robot')
    throw new PolicyError(`who: "${who}" is none of anonymous, user:…, robot:…, role:…, oidc:…`)
  const subject = await accounts.subject(kind, name)
  if (!subject) throw new PolicyError(`who: ${who} is nobody who could log in`)
  return subject
}
