import * as v from 'valibot'
import { formatIssue } from '../../util/format-issue.ts'
import type { Subject } from '../identity/subject.ts'
import { literalPrefix, matchesAny, matchesGlob } from './glob.ts'
import { EVERY_REPOSITORY, type RepositoryFilter } from './repository-filter.ts'
import { claimPatterns, GRANT, Grant, includesRight, pattern, patterns, type Right } from './schema.ts'

const who = v.pipe(
  v.string(),
  v.regex(
    /^(anonymous|authenticated|(user|robot|group|role|oidc):[ -~]{1,2048})$/,
    'is none of anonymous, authenticated, user:…, robot:…, group:…, role:…, oidc:…',
  ),
)

export const Rule = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[ -~]{1,100}$/, 'is no name of 1 to 100 characters')),
  who: v.pipe(v.array(who), v.minLength(1, 'must name at least one'), v.maxLength(100)),
  /** Claims, and the pattern that each of them must fit: those of the token for `oidc:`; `account` and `session` for `role:`. */
  claims: v.optional(claimPatterns(pattern)),
  ...GRANT,
})
export type Rule = v.InferOutput<typeof Rule>

export const Policy = v.strictObject({
  rules: v.pipe(v.array(Rule), v.maxLength(500)),
  /** Tags that, once they are there, nobody can move or delete. */
  immutable: v.optional(v.array(v.strictObject({ on: patterns, tags: patterns })), []),
})

const Grants = v.object({
  grants: v.pipe(v.array(Grant), v.minLength(1, 'must be at least one'), v.maxLength(50)),
})

/** Who may do what. Nothing is allowed that no rule allows, and nothing forbids but `immutable`. */
export type Policy = v.InferOutput<typeof Policy>

export const NO_POLICY: Policy = { rules: [], immutable: [] }

/** The policy does not read. The message names the rule and what is wrong with it. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
}

/** @throws {PolicyError} */
export function parsePolicy(document: unknown): Policy {
  return parse(Policy, document)
}

/** @throws {PolicyError} */
export function parseGrants(document: unknown): Grant[] {
  return parse(Grants, { grants: document }).grants
}

function parse<T>(schema: v.GenericSchema<unknown, T>, document: unknown): T {
  const result = v.safeParse(schema, document)
  if (result.success) return result.output
  throw new PolicyError(formatIssue(result.issues, 'the document'))
}

/** What someone wants to do. */
export interface Wish {
  readonly action: Right
  readonly repository: string
  readonly tag?: string | undefined
}

export interface Decision {
  readonly allowed: boolean
  /** The rule that allows it, or why it is not allowed: a sentence's end, for people. */
  readonly because: string
}

/** The one place where it is decided. Only those who could otherwise do it are told that a tag is immutable. */
export function decide(policy: Policy, subject: Subject, wish: Wish): Decision {
  const because = whyAllowed(policy, subject, wish)
  if (because === undefined) return { allowed: false, because: 'no rule allows it' }
  const lock = wish.tag !== undefined && locks(policy, wish)
  return lock ? { allowed: false, because: `the tag ${wish.tag} is immutable` } : { allowed: true, because }
}

function whyAllowed(policy: Policy, subject: Subject, wish: Wish): string | undefined {
  if (subject.kind === 'user' && subject.admin) return `${subject.name} is an administrator`
  if (subject.kind === 'robot' && subject.grants.some(grant => grants(grant, wish)))
    return `of the grants of the robot ${subject.name}`
  const rule = policy.rules.find(rule => applies(rule, subject) && grants(rule, wish))
  return rule && `of the rule "${rule.name}"`
}

/** Whether someone may do something in every repository that there is or will be: by a rule for `**`. */
export function allowedEverywhere(policy: Policy, subject: Subject, action: Right): boolean {
  if (subject.kind === 'user' && subject.admin) return true
  return grantsOf(policy, subject).some(
    ({ may, on, tags }) => includesRight(may, action) && on.includes('**') && tags === undefined,
  )
}

/** Whether someone may do something in a repository, be it with some tags alone. */
export function allowedForSomeTag(
  policy: Policy,
  subject: Subject,
  { action, repository }: Omit<Wish, 'tag'>,
): boolean {
  if (subject.kind === 'user' && subject.admin) return true
  return grantsOf(policy, subject).some(({ may, on }) => includesRight(may, action) && fits(on, repository))
}

/** Which repositories someone may pull from, be it by some tags alone. What does not depend on the repository is found out once. */
export function pullable(policy: Policy, subject: Subject): RepositoryFilter {
  if (subject.kind === 'user' && subject.admin) return EVERY_REPOSITORY
  const lists = grantsOf(policy, subject)
    .filter(({ may }) => includesRight(may, 'pull'))
    .map(({ on }) => on)
  const all = lists.flat()
  return {
    includes: repository => lists.some(on => fits(on, repository)),
    prefix: all.length === 0 ? undefined : all.map(literalPrefix).reduce(commonPrefix),
    comparisons: all.length,
  }
}

function commonPrefix(one: string, other: string): string {
  let length = 0
  while (length < one.length && one[length] === other[length]) length++
  return one.slice(0, length)
}

function grantsOf({ rules }: Policy, subject: Subject): Grant[] {
  const own = subject.kind === 'robot' ? subject.grants : []
  return [...own, ...rules.filter(rule => applies(rule, subject))]
}

function locks(policy: Policy, { action, repository, tag = '' }: Wish): boolean {
  if (action !== 'overwrite-tag' && action !== 'delete') return false
  return immutableTags(policy, repository)?.(tag) ?? false
}

/** Which tags of a repository are immutable; undefined where none can be. */
export function immutableTags(
  { immutable }: Policy,
  repository: string,
): ((tag: string) => boolean) | undefined {
  const rules = immutable.filter(({ on }) => fits(on, repository))
  return rules.length === 0 ? undefined : tag => rules.some(({ tags }) => fits(tags, tag))
}

function grants({ may, on, tags }: Grant, { action, repository, tag }: Wish): boolean {
  if (!includesRight(may, action) || !fits(on, repository)) return false
  return tags === undefined || (tag !== undefined ? fits(tags, tag) : action !== 'delete')
}

function applies({ who, claims }: Rule, subject: Subject): boolean {
  return who.some(one => names(one, subject)) && claimsFit(claims, subject)
}

function names(who: string, subject: Subject): boolean {
  if (who === 'anonymous') return true // what a stranger may do, everybody may
  if (who === 'authenticated') return subject.kind !== 'anonymous'
  const [, kind, rest = ''] = /^(\w+):(.*)$/.exec(who) ?? []
  if (kind === 'group') return subject.kind === 'user' && subject.groups.includes(rest)
  if (kind !== subject.kind) return false
  switch (subject.kind) {
    case 'role':
      return matchesGlob(rest, subject.arn)
    case 'oidc':
      return rest === subject.issuer
    case 'user':
    case 'robot':
      return matchesGlob(rest, subject.name)
    default:
      return false
  }
}

/** Whoever has no claims at all, such as a user, fits no rule that asks for some. */
function claimsFit(wanted: Rule['claims'], subject: Subject): boolean {
  if (wanted === undefined) return true
  const claims = claimsOf(subject)
  return claims !== undefined && claimsMatch(wanted, claims)
}

function claimsOf(subject: Subject): Claims | undefined {
  if (subject.kind === 'oidc') return { ...subject.claims, sub: subject.subject }
  return subject.kind === 'role' ? { account: subject.account, session: subject.session } : undefined
}

type Claims = Readonly<Record<string, string>>

/** Whether there are all the claims that are wanted, each as its pattern says. */
export function claimsMatch(wanted: Claims, claims: Claims): boolean {
  return Object.entries(wanted).every(([claim, pattern]) => {
    const said = Object.hasOwn(claims, claim) ? claims[claim] : undefined
    return said !== undefined && matchesGlob(pattern, said)
  })
}

function fits(patterns: readonly string[], text: string): boolean {
  return matchesAny(patterns, text)
}
