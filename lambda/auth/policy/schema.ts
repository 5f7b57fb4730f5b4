import * as v from 'valibot'

/**
 * The words of a rule's `may`. `push` stands for the three words behind it: `push-content` covers blobs and manifests by
 * digest, and a push by tag also needs `create-tag` or `overwrite-tag`. `delete` covers manifests, blobs and tags.
 */
export const ACTIONS = [
  'pull',
  'push',
  'push-content',
  'create-tag',
  'overwrite-tag',
  'delete',
  'administer',
] as const
export type PolicyAction = (typeof ACTIONS)[number]
/** What a single step needs. `push` is not among them: it is a bundle of rights. */
export type Right = Exclude<PolicyAction, 'push'>

const IN_PUSH: readonly Right[] = ['push-content', 'create-tag', 'overwrite-tag']

/** Whether the words of a grant include a right. */
export function includesRight(may: readonly PolicyAction[], right: Right): boolean {
  return may.includes(right) || (may.includes('push') && IN_PUSH.includes(right))
}

/** Marks the rows whose grants use the words above. In rows without it, `push` means what `push-content` means today. */
export const GRANT_FORMAT = 2

/** A stored grant in today's words. @param format of its row, absent in rows of older versions */
export function upgradeGrant<T extends { readonly may: readonly PolicyAction[] }>(
  grant: T,
  format: number | undefined,
): T {
  if (format !== undefined) return grant
  return { ...grant, may: grant.may.map(word => (word === 'push' ? 'push-content' : word)) }
}

/** Of names: `*` is any part of one segment, `**` any part at all (glob.ts). */
export const pattern = v.pipe(v.string(), v.regex(/^[ -~]{1,255}$/, 'is no pattern of 1 to 255 characters'))
export const patterns = v.pipe(v.array(pattern), v.minLength(1, 'must name at least one'), v.maxLength(100))
/** The fields of a grant, which a rule has too. */
export const GRANT = {
  may: v.pipe(
    v.array(v.picklist(ACTIONS, `is none of ${ACTIONS.join(', ')}`)),
    v.minLength(1, 'must name at least one'),
  ),
  /** Repositories. */
  on: patterns,
  /** Without them, all tags. */
  tags: v.optional(patterns),
}
export const Grant = v.strictObject(GRANT)
/** What a rule allows, to whomever it applies. */
export type Grant = v.InferOutput<typeof Grant>

/** valibot leaves these names out of a record without a word; but a rule that wants one claim less lets more people in. */
const LEFT_OUT = ['__proto__', 'constructor', 'prototype']

/** A schema of claims that somebody must have, each with the pattern that it must fit. */
export function claimPatterns<T extends v.GenericSchema<string, string>>(value: T) {
  return v.pipe(
    v.unknown(),
    v.check(
      claims => !LEFT_OUT.some(name => Object.hasOwn(claims ?? {}, name)),
      `cannot ask for ${LEFT_OUT.join(', ')}`,
    ),
    // For the OpenAPI document, which sees a schema up to here.
    v.description('An object: the name of each claim, and the pattern that its value must match.'),
    v.record(v.string(), value),
  )
}
