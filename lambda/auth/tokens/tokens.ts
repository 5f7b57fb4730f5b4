import { jwtVerify, SignJWT } from 'jose'
import { RegistryError } from '../../protocol/errors.ts'
import type { Scope } from '../../protocol/scope.ts'
import { type Subject, subjectId } from '../identity/subject.ts'
import type { Keyring } from './keyring.ts'

/** Docker requests another token when a push takes longer. */
export const TOKEN_LIFETIME_SECONDS = 60 * 60
const ALGORITHM = 'HS256'

/** The content of a token. The policy decides what its holder may do at the time of a request. */
interface TokenContent {
  readonly holder: TokenHolder
  /** The upper bound of what the token allows. */
  readonly scopes: readonly Scope[]
}

/** What a token contains besides. */
interface TokenOptions {
  /** A mark that CloudFront verifies, because it has no key for tokens (`infra/edge/bodies.js`). */
  readonly edgeMark?: string | undefined
}

/**
 * The subject of a token. An account is looked up at each request, so that its tokens can be revoked. Other subjects are
 * contained in the token as a whole.
 */
export type TokenHolder =
  | { readonly account: string; readonly generation: number }
  | { readonly subject: Exclude<Subject, { kind: 'user' | 'robot' }> }

interface TokenContext {
  /** The name of the registry, which is both issuer and audience of the token. */
  readonly service: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Issues a token: a JWT with an HMAC signature, since only the registry itself verifies it. */
export async function issueToken(
  keyring: Keyring,
  { holder, scopes }: TokenContent,
  { service, now, edgeMark }: TokenContext & TokenOptions,
): Promise<string> {
  const { id, key } = keyring.newest
  const seconds = Math.floor(now / 1000)
  const subject = 'account' in holder ? `account:${holder.account}` : subjectId(holder.subject)
  return new SignJWT({
    ...('account' in holder ? { generation: holder.generation } : { as: holder.subject }),
    access: scopes,
  })
    .setProtectedHeader({ alg: ALGORITHM, kid: id, typ: 'JWT', ...(edgeMark && { edge: edgeMark }) })
    .setIssuer(service)
    .setAudience(service)
    .setSubject(subject)
    .setIssuedAt(seconds)
    .setNotBefore(seconds)
    .setExpirationTime(seconds + TOKEN_LIFETIME_SECONDS)
    .sign(key)
}

/** @throws {RegistryError} UNAUTHORIZED if the registry did not issue the token, or it is not valid at this time */
export async function verifyToken(
  keyring: Keyring,
  token: string,
  { service, now }: TokenContext,
): Promise<TokenContent> {
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        const signingKey = keyring.find(kid)
        if (!signingKey) throw new Error('unknown key id')
        return signingKey.key
      },
      {
        algorithms: [ALGORITHM],
        issuer: service,
        audience: service,
        requiredClaims: ['sub', 'exp', 'nbf', 'iat'],
        typ: 'JWT',
        currentDate: new Date(now),
      },
    )
    const { sub = '', generation, as, access } = payload
    const holder = sub.startsWith('account:')
      ? { account: sub.slice('account:'.length), generation: Number(generation) }
      : { subject: as as Exclude<Subject, { kind: 'user' | 'robot' }> }
    return { holder, scopes: access as Scope[] }
  } catch (cause) {
    throw new RegistryError('UNAUTHORIZED', { cause, detail: { reason: 'the token is not valid' } })
  }
}
