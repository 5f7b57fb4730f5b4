import { createHmac, generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import { bearer, type Guarded, newKey } from '../../support/auth.ts'
import { allowsPull, decodeToken, openWithAnn, TAGS_LIST, tokenOfAnn } from './fixture.ts'

let guarded: Guarded
beforeEach(async () => {
  guarded = await openWithAnn()
})

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a token that the test signs itself', () => {
  const key = () => guarded.keyring().newest
  const claims = () => {
    const now = Math.floor(guarded.now() / 1000)
    const names = { iss: 'registry.example', aud: 'registry.example', sub: 'account:root', generation }
    return {
      ...names,
      iat: now,
      nbf: now,
      exp: now + 3600,
      access: [{ type: 'repository', name: 'app', actions: ['pull'] }],
    }
  }
  const sign = (body: object, head: object = {}) =>
    new SignJWT(body as never)
      .setProtectedHeader({ alg: 'HS256', kid: key().id, typ: 'JWT', ...head })
      .sign(key().key)

  /** The generation of the account root, which its tokens contain. */
  let generation: number
  beforeEach(async () => {
    generation = (await guarded.auth.accounts.row('root'))?.generation ?? 0
  })

  it('is accepted with correct claims and a correct signature, so that the other cases fail for their own reason', async () => {
    expect(await allowsPull(guarded, await sign(claims()))).toBe(true)
  })

  it.each<[string, () => Promise<string>]>([
    ['without a signature', async () => `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims())}.`],
    [
      'without a signature but with a key id',
      async () => `${encode({ alg: 'none', typ: 'JWT', kid: key().id })}.${encode(claims())}.`,
    ],
    [
      'signed with another key',
      async () =>
        new SignJWT(claims() as never)
          .setProtectedHeader({ alg: 'HS256', kid: key().id, typ: 'JWT' })
          .sign(Buffer.from(newKey())),
    ],
    ['with an unknown key id', () => sign(claims(), { kid: 'deadbeef' })],
    ['without a key id', () => sign(claims(), { kid: undefined })],
    [
      'with its own key in the header',
      () => sign(claims(), { jwk: { kty: 'oct', k: newKey() }, kid: 'mine' }),
    ],
    [
      'signed with another HMAC algorithm',
      async () => {
        const signed = `${encode({ alg: 'HS512', kid: key().id, typ: 'JWT' })}.${encode(claims())}`
        return `${signed}.${createHmac('sha512', key().key).update(signed).digest('base64url')}`
      },
    ],
    [
      'signed with an RSA key',
      async () => {
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
        return new SignJWT(claims() as never)
          .setProtectedHeader({ alg: 'RS256', kid: key().id, typ: 'JWT' })
          .sign(privateKey)
      },
    ],
    ['that has expired', () => sign({ ...claims(), exp: claims().iat })],
    ['that is not valid yet', () => sign({ ...claims(), nbf: claims().iat + 60 })],
    ['without an expiry', () => sign({ ...claims(), exp: undefined })],
    ['for another registry', () => sign({ ...claims(), aud: 'other.example' })],
    ['from another registry', () => sign({ ...claims(), iss: 'other.example' })],
    ['of another type', () => sign(claims(), { typ: 'at+jwt' })],
    ['of an account that does not exist', () => sign({ ...claims(), sub: 'account:ghost' })],
    ['of another generation', () => sign({ ...claims(), generation: generation + 1 })],
    ['without a generation', () => sign({ ...claims(), generation: undefined })],
    ['with a truncated signature', async () => (await tokenOfAnn(guarded)).slice(0, -1)],
    [
      'with another subject than the signed one',
      async () => {
        const { head, body, signature } = decodeToken(await tokenOfAnn(guarded))
        return `${encode(head)}.${encode({ ...body, sub: 'account:root' })}.${signature}`
      },
    ],
    ['that is empty', async () => '.'],
    ['of 100,000 characters', async () => 'x'.repeat(100_000)],
  ])('%s is rejected', async (_, forge) => {
    const response = await guarded.as(bearer(await forge()), 'GET', TAGS_LIST)
    expect([response.status, response.headers['www-authenticate']]).toEqual([
      401,
      expect.stringContaining('error="invalid_token"'),
    ])
  })
})
