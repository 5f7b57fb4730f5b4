import { parseRepositoryName } from '../protocol/name.ts'
import { parseTag } from '../protocol/reference.ts'
import type { Accounts } from './accounts.ts'
import { ACTIONS, type PolicyAction } from './grant.ts'
import { type Decision, decide, type Policy, PolicyError } from './policy.ts'
import { ANONYMOUS, type Subject } from './subject.ts'

/** What somebody wants to know of the policy. */
export interface Question {
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
}

/**
 * Which rule decides.
 * @throws {PolicyError} for a question that makes no sense; {RegistryError} NAME_INVALID, TAG_INVALID
 */
export async function explainWish(
  policy: Policy,
  accounts: Accounts,
  { who, action, repository, tag, claims = {} }: Question,
): Promise<Explanation> {
  if (!(ACTIONS as readonly string[]).includes(action))
    throw new PolicyError(`action: is none of ${ACTIONS.join(', ')}`)
  parseRepositoryName(repository)
  if (tag !== undefined) parseTag(tag)
  const subject = await subjectFor(accounts, who, claims)
  const decision = decide(policy, subject, { action: action as PolicyAction, repository, tag })
  const where = tag === undefined ? repository : `${repository}:${tag}`
  const may = decision.allowed ? 'may' : 'may not'
  return { ...decision, sentence: `${who} ${may} ${action} on ${where}, because ${decision.because}` }
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
