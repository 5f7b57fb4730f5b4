import { createHmac, timingSafeEqual } from 'node:crypto'
import type { SessionAddress } from '../../protocol/reference.ts'
import type { Keyring, SigningKey } from './keyring.ts'
import type { TokenHolder } from './tokens.ts'

/** The query parameter that contains the token. Distribution uses the same name. */
export const UPLOAD_TOKEN = '_state'
/** The name of the parameter in earlier versions. A session lives for a day, so its URL may outlive an upgrade. */
export const OLD_UPLOAD_TOKEN = 'proof'

/**
 * Expiry in seconds since 1970, holder, signature. 5,000 characters suffice for the longest name and all claims
 * (federated/claims.ts).
 */
const FORMAT = /^(\d{1,12})\.([\w-]{1,5000})\.([\w-]{43})$/

/**
 * Issues the token that proves who began an upload session. An upload may take longer than an access token lives, and
 * clients do not request another one in the middle. The account is still looked up at each request.
 * @param session the only session that the token is valid for
 * @param until milliseconds since 1970
 */
export function issueUploadToken(
  keyring: Keyring,
  session: SessionAddress,
  holder: TokenHolder,
  until: number,
): string {
  const expires = Math.floor(until / 1000)
  const who = Buffer.from(JSON.stringify(holder)).toString('base64url')
  return `${UPLOAD_TOKEN}=${expires}.${who}.${sign(keyring.newest, session, expires, who)}`
}

/**
 * @returns undefined when the token is malformed, has expired, or was not signed for this session by a key of the
 * keyring
 */
export function verifyUploadToken(
  keyring: Keyring,
  session: SessionAddress,
  token: string,
  now: number,
): TokenHolder | undefined {
  const [, expires = '', who = '', signature = ''] = FORMAT.exec(token) ?? []
  if (!expires || Number(expires) * 1000 <= now) return undefined
  const received = Buffer.from(signature)
  const isValid = keyring.all.some(key =>
    timingSafeEqual(Buffer.from(sign(key, session, Number(expires), who)), received),
  )
  return isValid ? JSON.parse(Buffer.from(who, 'base64url').toString()) : undefined
}

function sign({ key }: SigningKey, { name, upload }: SessionAddress, expires: number, who: string): string {
  const text = ['session', upload, name, expires, who].join('\n')
  return createHmac('sha256', key).update(text).digest('base64url')
}
