import { jwtVerify, SignJWT } from 'jose'
import { RegistryError } from '../../protocol/errors.ts'
import type { Scope } from '../../protocol/scope.ts'
import { type Subject, subjectId } from '../identity/subject.ts'
import type { Keyring } from './keyring.ts'

/** How long a token works, in seconds. Docker asks again when a push takes longer. */
export const TOKEN_LIFETIME = 60 * 60
const ALGORITHM = 'HS256'

/** What a token proves. What its holder may do now is for the policy to say. */
interface Ticket {
  readonly holder: TokenHolder
  /** What it was given for: more than this it never allows. */
  readonly scopes: readonly Scope[]
}

/** An account is looked up again, so that it can be revoked; of anybody else all there is to know is in the token. */
export type TokenHolder =
  | { readonly account: string; readonly generation: number }
  | { readonly subject: Exclude<Subject, { kind: 'user' | 'robot' }> }

interface Names {
  /** Who gives the token out, and for whom it is: the name of the registry. */
  readonly service: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Gives out a token: a JWT, signed by HMAC, since nobody but us reads it. */
export async function issueToken(
  keyring: Keyring,
  { holder, scopes }: Ticket,
  { service, now }: Names,
): Promise<string> {
  const { id, key } = keyring.newest
  const seconds = Math.floor(now / 1000)
  const name = 'account' in holder ? `account:${holder.account}` : subjectId(holder.subject)
  return new SignJWT({
    ...('account' in holder ? { generation: holder.generation } : { as: holder.subject }),
    access: scopes,
  })
    .setProtectedHeader({ alg: ALGORITHM, kid: id, typ: 'JWT' })
    .setIssuer(service)
    .setAudience(service)
    .setSubject(name)
    .setIssuedAt(seconds)
    .setNotBefore(seconds)
    .setExpirationTime(seconds + TOKEN_LIFETIME)
    .sign(key)
}

/** @throws {RegistryError} UNAUTHORIZED for whatever is not a token that we gave out and that still works */
export async function verifyToken(keyring: Keyring, token: string, { service, now }: Names): Promise<Ticket> {
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        const found = keyring.find(kid)
        if (!found) throw new Error('no such key')
        return found.key
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
