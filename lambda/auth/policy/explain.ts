import { parseRepositoryName, type RepositoryName } from '../../protocol/name.ts'
import { parseTag, type Tag } from '../../protocol/reference.ts'
import type { Accounts } from '../identity/accounts.ts'
import { ANONYMOUS, type Subject } from '../identity/subject.ts'
import { type Decision, decide, type Policy, PolicyError } from './policy.ts'
import { ACTIONS, type PolicyAction, type Right } from './schema.ts'

/** An access request that a caller wants to have explained. */
export interface ExplainRequest {
  /** `anonymous`, `user:<name>`, `robot:<name>`, `role:<arn>`, `oidc:<issuer>`. */
  readonly who: string
  readonly action: string
  readonly repository: string
  readonly tag?: string | undefined
  readonly claims?: Readonly<Record<string, string>> | undefined
}

interface Explanation extends Decision {
  /** The decision and its reason, as a sentence for people. */
  readonly sentence: string
  /** For a push by tag: each right that the push needs now, and whether the policy grants it. */
  readonly needs?: readonly (Decision & { readonly action: Right })[]
}

/** Returns whether a tag exists. A push by tag needs `overwrite-tag` if it does, otherwise `create-tag`. */
export type TagExists = (repository: RepositoryName, tag: Tag) => Promise<boolean>

/**
 * Explains which rule decides a request. A push by tag is explained for every right that it needs.
 * @throws {PolicyError} for an unknown action, for a malformed `who`, and for an account that cannot log in
 * @throws {RegistryError} NAME_INVALID, TAG_INVALID
 */
export async function explainDecision(
  policy: Policy,
  accounts: Accounts,
  { who, action, repository, tag, claims = {} }: ExplainRequest,
  tagExists: TagExists,
): Promise<Explanation> {
  if (!isAction(action)) throw new PolicyError(`action: must be one of ${ACTIONS.join(', ')}`)
  const name = parseRepositoryName(repository)
  const parsedTag = tag === undefined ? undefined : parseTag(tag)
  const subject = await subjectFor(accounts, who, claims)
  const decideRight = (right: Right, tag?: Tag) => decide(policy, subject, { action: right, repository, tag })
  if (action === 'push' && parsedTag !== undefined) {
    const exists = await tagExists(name, parsedTag)
    return explainPush(`${who} %s push on ${name}:${parsedTag}`, exists, {
      content: decideRight('push-content'),
      create: decideRight('create-tag', parsedTag),
      overwrite: decideRight('overwrite-tag', parsedTag),
    })
  }
  const decision = decideRight(action === 'push' ? 'push-content' : action, parsedTag)
  const target = tag === undefined ? repository : `${repository}:${tag}`
  const may = decision.allowed ? 'may' : 'may not'
  const manner = action === 'push' ? ' by digest' : ''
  return {
    ...decision,
    sentence: `${who} ${may} ${action} on ${target}${manner}, because ${decision.because}`,
  }
}

interface PushDecisions {
  readonly content: Decision
  readonly create: Decision
  readonly overwrite: Decision
}

/** @param template the start of the sentence, with `%s` in place of "may" or "may not" */
function explainPush(
  template: string,
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
    const sentence = `${template.replace('%s', 'may not')}, because ${state} and ${because}`
    return { allowed: false, because: missing.because, needs, sentence }
  }
  const because = [...new Set(needs.map(need => need.because))].join(' and ')
  const warning =
    exists || overwrite.allowed ? '' : `; once it exists, overwrite-tag is refused: ${overwrite.because}`
  const sentence = `${template.replace('%s', 'may')}, because ${because} (${state}${warning})`
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
    throw new PolicyError(`who: must be anonymous, user:…, robot:…, role:… or oidc:…, not "${who}"`)
  const subject = await accounts.subject(kind, name)
  if (!subject) throw new PolicyError(`who: the account ${who} does not exist, is disabled or has expired`)
  return subject
}
