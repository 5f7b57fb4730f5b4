import * as v from 'valibot'
import { formatIssue } from '../../util/format-issue.ts'
import type { Subject } from '../identity/subject.ts'
import { matchesAny, matchesGlob } from './glob.ts'
import { coveringPrefixes } from './literal-prefixes.ts'
import { EVERY_REPOSITORY, type RepositoryFilter } from './repository-filter.ts'
import { claimPatterns, GRANT, Grant, includesRight, pattern, patterns, type Right } from './schema.ts'

const who = v.pipe(
  v.string(),
  v.regex(
    /^(anonymous|authenticated|(user|robot|group|role|oidc):[ -~]{1,2048})$/,
    'must be anonymous, authenticated, user:…, robot:…, group:…, role:… or oidc:…',
  ),
)

export const Rule = v.strictObject({
  name: v.pipe(
    v.string(),
    v.regex(/^[ -~]{1,100}$/, 'must be a name of 1 to 100 printable ASCII characters'),
  ),
  who: v.pipe(v.array(who), v.minLength(1, 'must contain at least one entry'), v.maxLength(100)),
  /**
   * The name of each required claim, and the pattern that its value must match: claims of the ID token for `oidc:`,
   * `account` and `session` for `role:`.
   */
  claims: v.optional(claimPatterns(pattern)),
  ...GRANT,
})
export type Rule = v.InferOutput<typeof Rule>

export const Policy = v.strictObject({
  rules: v.pipe(v.array(Rule), v.maxLength(500)),
  /** Tags that cannot be moved or deleted once they exist, not even by administrators. */
  immutable: v.optional(v.array(v.strictObject({ on: patterns, tags: patterns })), []),
})

const Grants = v.object({
  grants: v.pipe(v.array(Grant), v.minLength(1, 'must contain at least one grant'), v.maxLength(50)),
})

/** Who may do what. Default deny: rules only grant, and `immutable` is the only prohibition. */
export type Policy = v.InferOutput<typeof Policy>

export const NO_POLICY: Policy = { rules: [], immutable: [] }

/** A policy, a list of grants or an explain request is invalid. The message names the field and the rule. */
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

/** The operation that a subject requests. */
export interface AccessRequest {
  readonly action: Right
  readonly repository: string
  readonly tag?: string | undefined
}

export interface Decision {
  readonly allowed: boolean
  /**
   * The rule that allows the request, or the reason for its refusal: the end of a sentence that begins "…, because".
   */
  readonly because: string
}

/**
 * Decides an access request. No other function decides access. The reason says that a tag is immutable only if a rule
 * would otherwise allow the request, so that no other subject learns it.
 */
export function decide(policy: Policy, subject: Subject, request: AccessRequest): Decision {
  const because = grantingReason(policy, subject, request)
  if (because === undefined) return { allowed: false, because: 'no rule allows it' }
  const immutable = request.tag !== undefined && isLocked(policy, request)
  return immutable
    ? { allowed: false, because: `the tag ${request.tag} is immutable` }
    : { allowed: true, because }
}

function grantingReason(policy: Policy, subject: Subject, request: AccessRequest): string | undefined {
  if (subject.kind === 'user' && subject.admin) return `${subject.name} is an administrator`
  if (subject.kind === 'robot' && subject.grants.some(grant => allows(grant, request)))
    return `of the grants of the robot ${subject.name}`
  const rule = policy.rules.find(rule => appliesTo(rule, subject) && allows(rule, request))
  return rule && `of the rule "${rule.name}"`
}

/** Returns whether a subject has a right in every existing and future repository, by a grant for `**` and all tags. */
export function allowedEverywhere(policy: Policy, subject: Subject, action: Right): boolean {
  if (subject.kind === 'user' && subject.admin) return true
  return grantsOf(policy, subject).some(
    ({ may, on, tags }) => includesRight(may, action) && on.includes('**') && tags === undefined,
  )
}

/** Returns whether a subject has a right in a repository, for all tags or only for some. */
export function allowedForSomeTag(
  policy: Policy,
  subject: Subject,
  { action, repository }: Omit<AccessRequest, 'tag'>,
): boolean {
  if (subject.kind === 'user' && subject.admin) return true
  return grantsOf(policy, subject).some(
    ({ may, on }) => includesRight(may, action) && matchesAny(on, repository),
  )
}

/**
 * Returns the filter of the repositories that a subject may pull from, all tags or only some. Conditions that do not
 * depend on the repository are evaluated once.
 */
export function pullFilter(policy: Policy, subject: Subject): RepositoryFilter {
  if (subject.kind === 'user' && subject.admin) return EVERY_REPOSITORY
  const patternLists = grantsOf(policy, subject)
    .filter(({ may }) => includesRight(may, 'pull'))
    .map(({ on }) => on)
  const allPatterns = patternLists.flat()
  return {
    includes: repository => patternLists.some(on => matchesAny(on, repository)),
    prefixes: coveringPrefixes(allPatterns),
    comparisons: allPatterns.length,
  }
}

function grantsOf({ rules }: Policy, subject: Subject): Grant[] {
  const own = subject.kind === 'robot' ? subject.grants : []
  return [...own, ...rules.filter(rule => appliesTo(rule, subject))]
}

function isLocked(policy: Policy, { action, repository, tag = '' }: AccessRequest): boolean {
  if (action !== 'overwrite-tag' && action !== 'delete') return false
  return immutableTagMatcher(policy, repository)?.(tag) ?? false
}

/** Returns the test for immutable tags of a repository; undefined if no tag of it can be immutable. */
export function immutableTagMatcher(
  { immutable }: Policy,
  repository: string,
): ((tag: string) => boolean) | undefined {
  const rules = immutable.filter(({ on }) => matchesAny(on, repository))
  return rules.length === 0 ? undefined : tag => rules.some(({ tags }) => matchesAny(tags, tag))
}

function allows({ may, on, tags }: Grant, { action, repository, tag }: AccessRequest): boolean {
  if (!includesRight(may, action) || !matchesAny(on, repository)) return false
  return tags === undefined || (tag !== undefined ? matchesAny(tags, tag) : action !== 'delete')
}

function appliesTo({ who, claims }: Rule, subject: Subject): boolean {
  return who.some(entry => matchesSubject(entry, subject)) && hasRequiredClaims(claims, subject)
}

function matchesSubject(who: string, subject: Subject): boolean {
  if (who === 'anonymous') return true // every subject may do what anonymous callers may
  if (who === 'authenticated') return subject.kind !== 'anonymous'
  const [, kind, name = ''] = /^(\w+):(.*)$/.exec(who) ?? []
  if (kind === 'group') return subject.kind === 'user' && subject.groups.includes(name)
  if (kind !== subject.kind) return false
  switch (subject.kind) {
    case 'role':
      return matchesGlob(name, subject.arn)
    case 'oidc':
      return name === subject.issuer
    case 'user':
    case 'robot':
      return matchesGlob(name, subject.name)
    default:
      return false
  }
}

/** A subject without claims, such as a user, matches no rule that requires claims. */
function hasRequiredClaims(required: Rule['claims'], subject: Subject): boolean {
  if (required === undefined) return true
  const claims = claimsOf(subject)
  return claims !== undefined && claimsMatch(required, claims)
}

function claimsOf(subject: Subject): Claims | undefined {
  if (subject.kind === 'oidc') return { ...subject.claims, sub: subject.subject }
  return subject.kind === 'role' ? { account: subject.account, session: subject.session } : undefined
}

type Claims = Readonly<Record<string, string>>

/** Returns whether each required claim is present and its value matches the pattern. */
export function claimsMatch(required: Claims, claims: Claims): boolean {
  return Object.entries(required).every(([claim, pattern]) => {
    const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined
    return value !== undefined && matchesGlob(pattern, value)
  })
}
