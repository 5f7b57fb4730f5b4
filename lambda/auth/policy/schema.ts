import * as v from 'valibot'

/**
 * The actions in the `may` of a rule. `push` is short for the three actions after it: `push-content` covers blobs and
 * manifests by digest, and a push by tag also needs `create-tag` or `overwrite-tag`. `delete` covers manifests, blobs
 * and tags.
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
/** What a single operation needs. `push` is not a right but a bundle of three. */
export type Right = Exclude<PolicyAction, 'push'>

const RIGHTS_OF_PUSH: readonly Right[] = ['push-content', 'create-tag', 'overwrite-tag']

/** Returns whether the actions of a grant include a right. */
export function includesRight(may: readonly PolicyAction[], right: Right): boolean {
  return may.includes(right) || (may.includes('push') && RIGHTS_OF_PUSH.includes(right))
}

/**
 * The format of rows whose grants use the actions above. Older rows have no format, and their `push` means
 * `push-content`.
 */
export const GRANT_FORMAT = 2

/**
 * Converts a stored grant to the actions above.
 * @param format the format of its row; undefined in rows that an older version wrote
 */
export function upgradeGrant<T extends { readonly may: readonly PolicyAction[] }>(
  grant: T,
  format: number | undefined,
): T {
  if (format !== undefined) return grant
  return { ...grant, may: grant.may.map(action => (action === 'push' ? 'push-content' : action)) }
}

/** A pattern of names: `*` matches within one segment, `**` matches across segments (see glob.ts). */
export const pattern = v.pipe(
  v.string(),
  v.regex(/^[ -~]{1,255}$/, 'must be a pattern of 1 to 255 printable ASCII characters'),
)
export const patterns = v.pipe(
  v.array(pattern),
  v.minLength(1, 'must contain at least one pattern'),
  v.maxLength(100),
)
/** The fields that grants and rules share. */
export const GRANT = {
  may: v.pipe(
    v.array(v.picklist(ACTIONS, `must be one of ${ACTIONS.join(', ')}`)),
    v.minLength(1, 'must contain at least one action'),
  ),
  /** Patterns of repository names. */
  on: patterns,
  /** Patterns of tags. If absent, the grant covers all tags. */
  tags: v.optional(patterns),
}
export const Grant = v.strictObject(GRANT)
/** What a rule allows its subjects, or what a robot may do: actions, repositories and tags. */
export type Grant = v.InferOutput<typeof Grant>

/** valibot silently drops these names from a record. A rule with one claim fewer would apply to more subjects. */
const DROPPED_NAMES = ['__proto__', 'constructor', 'prototype']

/** Creates the schema of required claims: the name of each claim, and the pattern that its value must match. */
export function claimPatterns<T extends v.GenericSchema<string, string>>(value: T) {
  return v.pipe(
    v.unknown(),
    v.check(
      claims => !DROPPED_NAMES.some(name => Object.hasOwn(claims ?? {}, name)),
      `must not contain ${DROPPED_NAMES.join(', ')}`,
    ),
    // The OpenAPI document reads the pipe only up to here, since v.record begins another schema.
    v.description('An object: the name of each claim, and the pattern that its value must match.'),
    v.record(v.string(), value),
  )
}
