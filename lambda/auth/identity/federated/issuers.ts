import * as v from 'valibot'
import { formatIssue } from '../../../util/format-issue.ts'
import { claimPatterns } from '../../policy/schema.ts'

/** An https URL, or an http URL of this machine, without a query or fragment. */
const ISSUER_URL = /^(https:\/\/[^\s?#@]+|http:\/\/(localhost|127\.0\.0\.1)(:\d+)?(\/[^\s?#@]*)?)$/
const url = v.pipe(
  v.string(),
  v.check(URL.canParse, 'must be a URL'),
  v.regex(ISSUER_URL, 'must be an https URL without a query or fragment'),
)

const Issuer = v.strictObject({
  /** The name of the issuer in policies: `oidc:<name>`. */
  name: v.pipe(
    v.string(),
    v.regex(
      /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/,
      'must be a name such as github: lower case letters and digits, separated by . _ or -',
    ),
    v.maxLength(64),
  ),
  /** The exact `iss` claim of its tokens. Its keys are found by OpenID Connect Discovery from this URL. */
  issuer: url,
  /**
   * Required claims and the patterns of their values. A token is accepted only if all of them match. At least one is
   * required, because many issuers issue tokens for any audience to all of their users.
   */
  claims: v.pipe(
    claimPatterns(v.pipe(v.string(), v.minLength(1))),
    v.minEntries(1, 'must contain at least one claim, because many issuers issue tokens to anyone'),
  ),
  /** The required `aud` claim. Absent: the registry's host, with or without `https://`. */
  audience: v.optional(v.pipe(v.string(), v.minLength(1))),
  /** The URL of the issuer's keys if Discovery does not return it, or the keys themselves if they cannot be fetched. */
  jwks: v.optional(v.union([url, v.looseObject({ keys: v.array(v.looseObject({ kty: v.string() })) })])),
})

/** A trusted issuer of ID tokens, from the settings. */
export type Issuer = v.InferOutput<typeof Issuer>

const Issuers = v.pipe(
  v.array(Issuer, 'must be a list'),
  v.maxLength(20),
  v.check(
    unique(({ name }) => name),
    'must not contain two issuers of the same name',
  ),
  v.check(
    unique(({ issuer }) => issuer),
    'must not contain the same issuer URL twice',
  ),
)

/** @throws {Error} The message is one line with the field and the reason. */
export function parseIssuers(document: unknown): Issuer[] {
  const parsed = v.safeParse(Issuers, document)
  if (parsed.success) return parsed.output
  throw new Error(formatIssue(parsed.issues, 'the list of issuers'))
}

function unique(nameOf: (issuer: Issuer) => string) {
  return (issuers: Issuer[]) => new Set(issuers.map(nameOf)).size === issuers.length
}
