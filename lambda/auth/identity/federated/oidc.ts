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

/** Asymmetric algorithms only: with a shared secret, others than the issuer could sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
/** Characters of an ID token. */
const MAX_TOKEN_LENGTH = 16 * 1024
/** Bytes. The registry's tokens and upload URLs contain the subject and the claims. */
const MAX_SUBJECT_BYTES = 512
/** Tolerated difference between the clocks of issuer and registry. Seconds. */
const CLOCK_SKEW = 30
/** Milliseconds until the keys of an issuer are fetched again. */
const KEYS_MAX_AGE = 10 * 60 * 1000
/** An unknown key id also causes a fetch, but not within this many milliseconds of the last one. */
const KEYS_COOLDOWN = 30 * 1000

interface OidcLoginParts {
  readonly issuers: readonly Issuer[]
  readonly get: HttpGet
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** `docker login -u oidc`: the password is an ID token of an issuer in the settings, made for this registry. */
export function oidcLogin({ issuers, get, clock }: OidcLoginParts): FederatedLogin {
  const known = new Map(issuers.map(issuer => [issuer.issuer, { issuer, keys: keysOf(issuer, get) }]))

  return {
    username: 'oidc',
    async login(token, registry) {
      const { issuer, keys } = known.get(issuerOf(token)) ?? refuse('no such issuer is known here')
      const { issuer: url, name, audience = [registry, `https://${registry}`] } = issuer
      const options = {
        issuer: url,
        audience,
        algorithms: ALGORITHMS,
        requiredClaims: ['sub', 'exp', 'iat'],
        clockTolerance: CLOCK_SKEW,
        currentDate: new Date(clock()),
      }
      const { payload } = await jwtVerify(token, keys, options).catch(error => {
        throw error instanceof RegistryError ? error : refusal(error)
      })
      // jose requires the claim to be present, but of any type.
      const subject: unknown = payload.sub
      if (typeof subject !== 'string' || subject === '') throw unauthorized('its subject is no text')
      const claims = flattenClaims(payload)
      if (Buffer.byteLength(subject) > MAX_SUBJECT_BYTES) refuse('its subject is too long')
      if (!claimsMatch(issuer.claims, { ...claims, sub: subject }))
        refuse(`its claims are not those that ${name} must have here`)
      return { kind: 'oidc', issuer: name, subject, claims }
    },
  }
}

/** The issuer that the token names. The token is not verified yet. */
function issuerOf(token: string): string {
  if (token.length > MAX_TOKEN_LENGTH) refuse('it is too long')
  try {
    return decodeJwt(token).iss ?? ''
  } catch {
    return refuse('it is no JSON Web Token')
  }
}

/** The keys of an issuer, fetched when they are first needed. */
function keysOf({ issuer, jwks }: Issuer, get: HttpGet): JWTVerifyGetKey {
  if (typeof jwks === 'object') return createLocalJWKSet(jwks)
  let remote: Promise<JWTVerifyGetKey> | undefined
  const open = async () => {
    const url = new URL(jwks ?? (await discover(issuer, get)))
    return createRemoteJWKSet(url, {
      cacheMaxAge: KEYS_MAX_AGE,
      cooldownDuration: KEYS_COOLDOWN,
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
  if (status !== 200 || !v.is(KeySet, text)) throw unavailable(`${issuer} does not tell its keys`)
  return new Response(text)
}

const Discovery = v.object({ issuer: v.string(), jwks_uri: v.pipe(v.string(), v.url()) })

/** OpenID Connect Discovery 1.0, section 4. */
async function discover(issuer: string, get: HttpGet): Promise<string> {
  const { status, text } = await get(new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`))
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Discovery), text)
  if (status !== 200 || !parsed.success || parsed.output.issuer !== issuer)
    throw unavailable(`${issuer} does not say where its keys are`)
  const { jwks_uri: keys } = parsed.output
  if (!keys.startsWith('https:') && new URL(keys).origin !== new URL(issuer).origin)
    throw unavailable(`the keys of ${issuer} are not at an https URL`)
  return keys
}

/** Converts an error of the verification to UNAUTHORIZED with a reason for the client. */
function refusal(error: unknown): RegistryError {
  if (error instanceof errors.JWTExpired) return unauthorized('it has expired', error)
  if (error instanceof errors.JWTClaimValidationFailed)
    return unauthorized(`its claim ${error.claim} is not what it must be`, error)
  return unauthorized('its signature is not the issuer’s', error)
}

function refuse(reason: string): never {
  throw unauthorized(reason)
}

function unauthorized(reason: string, cause?: unknown): RegistryError {
  return new RegistryError('UNAUTHORIZED', {
    cause,
    detail: { reason: `the ID token is refused: ${reason}` },
  })
}

function unavailable(reason: string): RegistryError {
  return new RegistryError('UNAVAILABLE', { detail: { reason }, headers: { 'retry-after': '30' } })
}
