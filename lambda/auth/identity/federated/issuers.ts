import * as v from 'valibot'
import { formatIssue } from '../../../util/format-issue.ts'
import { claimPatterns } from '../../policy/schema.ts'

const URL_OF_ISSUER = /^(https:\/\/[^\s?#@]+|http:\/\/(localhost|127\.0\.0\.1)(:\d+)?(\/[^\s?#@]*)?)$/
const url = v.pipe(
  v.string(),
  v.check(URL.canParse, 'is no URL'),
  v.regex(URL_OF_ISSUER, 'is no https URL without query and fragment'),
)

const Issuer = v.strictObject({
  /** The name of the issuer in policies: `oidc:<name>`. */
  name: v.pipe(
    v.string(),
    v.regex(/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/, 'is no name such as github'),
    v.maxLength(64),
  ),
  /** The exact `iss` claim of its tokens. Its keys are found from this URL by OpenID Connect Discovery. */
  issuer: url,
  /**
   * Claims and their patterns. A token is accepted only if all of them match. Required, because many issuers give anybody
   * a token for any audience.
   */
  claims: v.pipe(
    claimPatterns(v.pipe(v.string(), v.minLength(1))),
    v.minEntries(1, 'must name at least one claim that tells whose tokens are taken'),
  ),
  /** The claim `aud`. Without it: the registry's host, or that with `https://` before it. */
  audience: v.optional(v.pipe(v.string(), v.minLength(1))),
  /** The URL of its keys, when Discovery does not return it; or the keys themselves, when they cannot be fetched. */
  jwks: v.optional(v.union([url, v.looseObject({ keys: v.array(v.looseObject({ kty: v.string() })) })])),
})

/** A trusted issuer of ID tokens, as in the settings. */
export type Issuer = v.InferOutput<typeof Issuer>

const Issuers = v.pipe(
  v.array(Issuer, 'is no list'),
  v.maxLength(20),
  v.check(
    unique(({ name }) => name),
    'has two of one name',
  ),
  v.check(
    unique(({ issuer }) => issuer),
    'has the same issuer twice',
  ),
)

/** @throws {Error} with a one-line reason */
export function parseIssuers(document: unknown): Issuer[] {
  const parsed = v.safeParse(Issuers, document)
  if (parsed.success) return parsed.output
  throw new Error(formatIssue(parsed.issues, 'the list of issuers'))
}

function unique(nameOf: (issuer: Issuer) => string) {
  return (issuers: Issuer[]) => new Set(issuers.map(nameOf)).size === issuers.length
}
