import * as v from 'valibot'

/**
 * What a rule can let someone do. `push` is for blobs and for manifests by digest; a tag needs `create-tag` or `overwrite-tag` besides.
 * `delete` is for manifests, blobs and tags.
 */
export const ACTIONS = ['pull', 'push', 'create-tag', 'overwrite-tag', 'delete', 'administer'] as const
export type PolicyAction = (typeof ACTIONS)[number]

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
