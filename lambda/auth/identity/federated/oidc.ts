import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import * as v from 'valibot'
import { RegistryError } from '../../../protocol/errors.ts'
import { claimsMatch } from '../../policy/policy.ts'
import { flattenClaims } from './claims.ts'
import type { HttpGet, HttpGetResult } from './http-get.ts'
import type { Issuer } from './issuers.ts'
import type { FederatedLogin } from './login.ts'

/** Asymmetric algorithms only. With a shared secret, parties other than the issuer could sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
/** Maximum length of an ID token, in characters. */
const MAX_TOKEN_LENGTH = 16 * 1024
/** Limited because the registry's tokens and upload URLs contain the subject and the claims. */
const MAX_SUBJECT_BYTES = 512
/** Tolerated difference between the clocks of the issuer and the registry. */
const CLOCK_SKEW_SECONDS = 30
/** How long the keys of an issuer are cached. */
const KEYS_MAX_AGE_MS = 10 * 60 * 1000
/** A token with an unknown key id causes a fetch too, but not within this time after the previous one. */
const KEYS_COOLDOWN_MS = 30 * 1000

interface OidcLoginParts {
  readonly issuers: readonly Issuer[]
  readonly get: HttpGet
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** `docker login -u oidc`: the password is an ID token that a trusted issuer issued for this registry. */
export function oidcLogin({ issuers, get, clock }: OidcLoginParts): FederatedLogin {
  const trusted = new Map(issuers.map(issuer => [issuer.issuer, { issuer, keys: keysOf(issuer, get) }]))

  return {
    username: 'oidc',
    async login(token, registry) {
      const { issuer, keys } =
        trusted.get(issuerOf(token)) ?? reject('its issuer is not trusted by this registry')
      const { issuer: url, name, audience = [registry, `https://${registry}`] } = issuer
      const options = {
        issuer: url,
        audience,
        algorithms: ALGORITHMS,
        requiredClaims: ['sub', 'exp', 'iat'],
        clockTolerance: CLOCK_SKEW_SECONDS,
        currentDate: new Date(clock()),
      }
      const { payload } = await jwtVerify(token, keys, options).catch(error => {
        throw error instanceof RegistryError ? error : verificationError(error)
      })
      // jose checks that the claim is present, but not its type.
      const subject: unknown = payload.sub
      if (typeof subject !== 'string' || subject === '')
        throw unauthorized('its claim sub must be a string that is not empty')
      const claims = flattenClaims(payload)
      if (Buffer.byteLength(subject) > MAX_SUBJECT_BYTES)
        reject(`its claim sub must have at most ${MAX_SUBJECT_BYTES} bytes`)
      if (!claimsMatch(issuer.claims, { ...claims, sub: subject }))
        reject(`its claims do not match the claims that this registry requires of the issuer ${name}`)
      return { kind: 'oidc', issuer: name, subject, claims }
    },
  }
}

/** The issuer that an unverified token names. */
function issuerOf(token: string): string {
  if (token.length > MAX_TOKEN_LENGTH) reject(`it must have at most ${MAX_TOKEN_LENGTH} characters`)
  try {
    return decodeJwt(token).iss ?? ''
  } catch {
    return reject('it must be a JSON Web Token')
  }
}

/** The keys of an issuer. They are fetched at the first login. */
function keysOf({ issuer, jwks }: Issuer, get: HttpGet): JWTVerifyGetKey {
  if (typeof jwks === 'object') return createLocalJWKSet(jwks)
  let remote: Promise<JWTVerifyGetKey> | undefined
  const open = async () => {
    const url = new URL(jwks ?? (await discover(issuer, get)))
    return createRemoteJWKSet(url, {
      cacheMaxAge: KEYS_MAX_AGE_MS,
      cooldownDuration: KEYS_COOLDOWN_MS,
      [customFetch]: async () => responseOf(await get(url), issuer),
    })
  }
  return async (header, token) => {
    remote ??= open().catch(error => {
      remote = undefined
      throw error
    })
    return (await remote)(header, token)
  }
}

const KeySet = v.pipe(v.string(), v.parseJson(), v.object({ keys: v.array(v.object({ kty: v.string() })) }))

function responseOf({ status, text }: HttpGetResult, issuer: string): Response {
  if (status !== 200 || !v.is(KeySet, text))
    throw unavailable(`${issuer} did not return its keys as a JSON Web Key Set`)
  return new Response(text)
}

const Discovery = v.object({ issuer: v.string(), jwks_uri: v.pipe(v.string(), v.url()) })

/** Finds the URL of an issuer's keys (OpenID Connect Discovery 1.0, section 4). @throws {RegistryError} UNAVAILABLE */
async function discover(issuer: string, get: HttpGet): Promise<string> {
  const { status, text } = await get(new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`))
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Discovery), text)
  if (status !== 200 || !parsed.success || parsed.output.issuer !== issuer)
    throw unavailable(`${issuer} did not return a valid OpenID Connect Discovery document`)
  const { jwks_uri: keys } = parsed.output
  if (!keys.startsWith('https:') && new URL(keys).origin !== new URL(issuer).origin)
    throw unavailable(`the jwks_uri of ${issuer} must be an https URL`)
  return keys
}

/** Converts an error of jose to UNAUTHORIZED with a reason for the client. */
function verificationError(error: unknown): RegistryError {
  if (error instanceof errors.JWTExpired) return unauthorized('it has expired', error)
  if (error instanceof errors.JWTClaimValidationFailed)
    return unauthorized(`its claim ${error.claim} is missing or not valid`, error)
  return unauthorized('it is not signed with a key of its issuer', error)
}

function reject(reason: string): never {
  throw unauthorized(reason)
}

function unauthorized(reason: string, cause?: unknown): RegistryError {
  return new RegistryError('UNAUTHORIZED', {
    cause,
    detail: { reason: `the ID token was rejected: ${reason}` },
  })
}

function unavailable(reason: string): RegistryError {
  return new RegistryError('UNAVAILABLE', { detail: { reason }, headers: { 'retry-after': '30' } })
}
