import { createHmac, timingSafeEqual } from 'node:crypto'
import type { RepositoryName } from '../../protocol/name.ts'
import type { UploadId } from '../../protocol/reference.ts'
import type { Keyring, SigningKey } from './keyring.ts'
import type { TokenHolder } from './tokens.ts'

/** Room for whoever has the longest name and the most claims that are kept (federated/claims.ts). */
const PROOF = /^(\d{1,12})\.([\w-]{1,5000})\.([\w-]{43})$/

/** The session that a proof is for. */
export interface UploadSessionKey {
  readonly repository: RepositoryName
  readonly upload: UploadId
}

/**
 * Makes an upload URL its own proof of who began the session: a layer may take longer than its token lives, and clients do
 * not ask for another one in the middle. The account is looked up all the same.
 * @param until milliseconds since 1970
 */
export function issueUploadToken(
  keyring: Keyring,
  session: UploadSessionKey,
  holder: TokenHolder,
  until: number,
): string {
  const expires = Math.floor(until / 1000)
  const who = Buffer.from(JSON.stringify(holder)).toString('base64url')
  return `proof=${expires}.${who}.${sign(keyring.newest, session, expires, who)}`
}

/** @returns undefined for whatever we did not sign for this session, or too long ago */
export function verifyUploadToken(
  keyring: Keyring,
  session: UploadSessionKey,
  proof: string,
  now: number,
): TokenHolder | undefined {
  const [, expires = '', who = '', signature = ''] = PROOF.exec(proof) ?? []
  if (!expires || Number(expires) * 1000 <= now) return undefined
  const said = Buffer.from(signature)
  const isOurs = keyring.all.some(key =>
    timingSafeEqual(Buffer.from(sign(key, session, Number(expires), who)), said),
  )
  return isOurs ? JSON.parse(Buffer.from(who, 'base64url').toString()) : undefined
}

function sign(
  { key }: SigningKey,
  { repository, upload }: UploadSessionKey,
  expires: number,
  who: string,
): string {
  const text = ['session', upload, repository, expires, who].join('\n')
  return createHmac('sha256', key).update(text).digest('base64url')
}
