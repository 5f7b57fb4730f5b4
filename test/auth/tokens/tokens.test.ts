import { createHmac, generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { RefreshRow } from '../../../lambda/store/records.ts'
import { basic, bearer, type Guarded, newKey, openGuarded, PASSWORD } from '../../support/auth.ts'

const HOUR = 60 * 60 * 1000
const SCOPE = 'repository:app:pull,push'
const PULL = '/v2/app/tags/list'

let guarded: Guarded
beforeEach(async () => {
  guarded = await openGuarded()
  await guarded.addUser('ann')
  await guarded.setPolicy({ rules: [{ name: 'ann', who: ['user:ann'], may: ['pull'], on: ['app'] }] })
})

/** 404: the repository is not there, which only those hear who may pull from it. */
const isLetIn = async (token: string) => (await guarded.as(bearer(token), 'GET', PULL)).status === 404
const tokenOfAnn = (...scopes: string[]) =>
  guarded.tokenFor(basic('ann', PASSWORD), ...(scopes.length > 0 ? scopes : [SCOPE]))

function parts(token: string) {
  const [head = '', body = '', signature = ''] = token.split('.')
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
  return { head: read(head), body: read(body), signature, signed: `${head}.${body}` }
}
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a token', () => {
  it('lets its holder do what it was given for and the policy allows', async () => {
    expect(await isLetIn(await tokenOfAnn())).toBe(true)
  })

  it('is short, and says nothing that it need not', async () => {
    const token = await tokenOfAnn()
    const { head, body } = parts(token)
    expect(token.length).toBeLessThan(600)
    expect(head).toEqual({ alg: 'HS256', typ: 'JWT', kid: expect.stringMatching(/^[0-9a-f]{8}$/) })
    expect(Object.keys(body).sort()).toEqual([
      'access',
      'aud',
      'exp',
      'generation',
      'iat',
      'iss',
      'nbf',
      'sub',
    ])
    expect(body.access).toEqual([{ type: 'repository', name: 'app', actions: ['pull'] }])
  })

  it('stays short enough for the headers of a request, however much is asked for', async () => {
    await guarded.setPolicy({ rules: [{ name: 'ann', who: ['user:ann'], may: ['pull'], on: ['**'] }] })
    guarded.wait(60_000)
    const many = Array.from({ length: 49 }, (_, i) => `repository:${'x'.repeat(250)}${i + 10}:pull,push`)
    const token = await tokenOfAnn(SCOPE, ...many)

    expect(token.length).toBeLessThan(5_000)
    expect(await isLetIn(token)).toBe(true)
    const left = await guarded.as(bearer(token), 'GET', `/v2/${'x'.repeat(250)}58/tags/list`)
    expect([left.status, left.headers['www-authenticate']]).toEqual([
      401,
      expect.stringMatching(/scope="repository:x+58:pull",error="insufficient_scope"/),
    ])
  })

  it('works for an hour, and not before it was given out', async () => {
    const token = await tokenOfAnn()
    guarded.wait(HOUR - 1000)
    expect(await isLetIn(token)).toBe(true)
    guarded.wait(1000)
    expect(await isLetIn(token)).toBe(false)
  })

  it('outlives the rotation of keys, but not the key itself', async () => {
    const token = await tokenOfAnn()
    guarded.rotate()
    expect(await isLetIn(token)).toBe(true)
    guarded.rotate(false)
    expect(await isLetIn(token)).toBe(false)
  })

  it.each<[string, () => Promise<unknown>]>([
    ['his password was changed', () => guarded.auth.accounts.changeUser('ann', { password: 'another one' })],
    ['he was disabled', () => guarded.auth.accounts.changeUser('ann', { disabled: true })],
    ['he was removed', () => guarded.auth.accounts.remove('ann', 'user')],
    ['the policy was changed', () => guarded.setPolicy({ rules: [] })],
  ])('is worthless within a minute after %s', async (_, change) => {
    const token = await tokenOfAnn()
    expect(await isLetIn(token)).toBe(true)
    await change()
    guarded.wait(60_000)
    expect(await isLetIn(token)).toBe(false)
  })

  it('stays worthless when who was disabled is let in again', async () => {
    const token = await tokenOfAnn()
    await guarded.auth.accounts.changeUser('ann', { disabled: true })
    await guarded.auth.accounts.changeUser('ann', { disabled: false })
    guarded.wait(60_000)
    expect(await isLetIn(token)).toBe(false)
    expect(await isLetIn(await tokenOfAnn())).toBe(true)
  })

  it('of an administrator is for whatever he asks for', async () => {
    const token = await guarded.tokenFor(basic('root', PASSWORD), 'repository:app:pull,push,delete')
    expect(parts(token).body.access[0].actions).toEqual(['pull', 'push', 'delete'])
  })

  it('of a robot is worthless within a minute after its key was renewed', async () => {
    const { key } = await guarded.auth.accounts.addRobot('ci', { grants: [{ may: ['pull'], on: ['app'] }] })
    const token = await guarded.tokenFor(basic('ci', key), SCOPE)
    expect(await isLetIn(token)).toBe(true)
    await guarded.auth.accounts.renewKey('ci')
    guarded.wait(60_000)
    expect(await isLetIn(token)).toBe(false)
  })
})

describe('a forged token is refused:', () => {
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

  /** Of root, which no token of his can be without. */
  let generation: number
  beforeEach(async () => {
    generation = (await guarded.auth.accounts.row('root'))?.generation ?? 0
  })

  it('but one that is signed as it should be is not, so that the others fail for their own reason', async () => {
    expect(await isLetIn(await sign(claims()))).toBe(true)
  })

  it.each<[string, () => Promise<string>]>([
    ['no signature', async () => `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims())}.`],
    [
      'no signature, with the key named',
      async () => `${encode({ alg: 'none', typ: 'JWT', kid: key().id })}.${encode(claims())}.`,
    ],
    [
      'another key',
      async () =>
        new SignJWT(claims() as never)
          .setProtectedHeader({ alg: 'HS256', kid: key().id, typ: 'JWT' })
          .sign(Buffer.from(newKey())),
    ],
    ['another name of the key', () => sign(claims(), { kid: 'deadbeef' })],
    ['no name of a key', () => sign(claims(), { kid: undefined })],
    ['a key of its own inside', () => sign(claims(), { jwk: { kty: 'oct', k: newKey() }, kid: 'mine' })],
    [
      'another algorithm of the same key',
      async () => {
        const signed = `${encode({ alg: 'HS512', kid: key().id, typ: 'JWT' })}.${encode(claims())}`
        return `${signed}.${createHmac('sha512', key().key).update(signed).digest('base64url')}`
      },
    ],
    [
      'a public key for a secret',
      async () => {
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
        return new SignJWT(claims() as never)
          .setProtectedHeader({ alg: 'RS256', kid: key().id, typ: 'JWT' })
          .sign(privateKey)
      },
    ],
    ['expired', () => sign({ ...claims(), exp: claims().iat })],
    ['not yet valid', () => sign({ ...claims(), nbf: claims().iat + 60 })],
    ['without an end', () => sign({ ...claims(), exp: undefined })],
    ['for another registry', () => sign({ ...claims(), aud: 'other.example' })],
    ['from another registry', () => sign({ ...claims(), iss: 'other.example' })],
    ['of another kind', () => sign(claims(), { typ: 'at+jwt' })],
    ['of an account that is not there', () => sign({ ...claims(), sub: 'account:ghost' })],
    ['of another generation', () => sign({ ...claims(), generation: generation + 1 })],
    ['without a generation', () => sign({ ...claims(), generation: undefined })],
    ['cut off', async () => (await tokenOfAnn()).slice(0, -1)],
    [
      'with its scopes enlarged',
      async () => {
        const { head, body, signature } = parts(await tokenOfAnn())
        return `${encode(head)}.${encode({ ...body, sub: 'account:root' })}.${signature}`
      },
    ],
    ['nothing at all', async () => '.'],
    ['very long', async () => 'x'.repeat(100_000)],
  ])('%s', async (_, forge) => {
    const answer = await guarded.as(bearer(await forge()), 'GET', PULL)
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([
      401,
      expect.stringContaining('error="invalid_token"'),
    ])
  })
})

describe('the token service', () => {
  const form = (fields: Record<string, string>) => ({
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  })

  it('answers GET with Basic as Docker, containers/image and crane want it', async () => {
    const target = `/token?account=ann&client_id=docker&offline_token=true&scope=${encodeURIComponent(SCOPE)}&service=registry.example`
    const answer = await guarded.as(basic('ann', PASSWORD), 'GET', target)
    const told = answer.json as Record<string, unknown>
    expect(answer.status).toBe(200)
    expect(told).toEqual({
      token: told.access_token,
      access_token: expect.stringMatching(/^ey/),
      expires_in: 3600,
      issued_at: new Date(guarded.now()).toISOString(),
      refresh_token: expect.stringMatching(/^lsr_/),
    })
    expect(answer.headers['cache-control']).toBe('no-store')
  })

  it('answers POST with a form as containerd and BuildKit send it', async () => {
    const fields = {
      grant_type: 'password',
      username: 'ann',
      password: PASSWORD,
      service: 'registry.example',
      client_id: 'containerd-client',
      scope: SCOPE,
    }
    const { json } = await guarded.expectStatus(200, 'POST', '/token', form(fields))
    expect(await isLetIn((json as { access_token: string }).access_token)).toBe(true)
  })

  it('gives out one token for several repositories, as a mount from another one needs', async () => {
    await guarded.setPolicy({
      rules: [{ name: 'all', who: ['authenticated'], may: ['pull', 'push'], on: ['**'] }],
    })
    for (const scopes of [[SCOPE, 'repository:base:pull'], [`${SCOPE} repository:base:pull`]]) {
      const { access } = parts(await tokenOfAnn(...scopes)).body
      expect(access.map(({ name }: { name: string }) => name)).toEqual(['app', 'base'])
    }
  })

  it('gives a stranger a token for what strangers may do', async () => {
    await guarded.setPolicy({ rules: [{ name: 'open', who: ['anonymous'], may: ['pull'], on: ['app'] }] })
    const token = await guarded.tokenFor({}, SCOPE, 'registry:catalog:*')
    expect(parts(token).body.access).toEqual([{ type: 'repository', name: 'app', actions: ['pull'] }])
    expect(await isLetIn(token)).toBe(true)
    expect((await guarded.as(bearer(token), 'POST', '/v2/app/blobs/uploads/')).status).toBe(401)
  })

  it('renews a login by its refresh token, until the account is changed', async () => {
    const { json } = await guarded.as(basic('ann', PASSWORD), 'GET', '/token?offline_token=true')
    const refresh = {
      grant_type: 'refresh_token',
      refresh_token: (json as { refresh_token: string }).refresh_token,
      scope: SCOPE,
    }
    guarded.wait(24 * HOUR)
    const renewed = await guarded.expectStatus(200, 'POST', '/token', form(refresh))
    expect(await isLetIn((renewed.json as { token: string }).token)).toBe(true)

    await guarded.auth.accounts.changeUser('ann', { password: 'another one' })
    guarded.wait(60_000)
    expect((await guarded.request('POST', '/token', form(refresh))).status).toBe(401)
  })

  it('keeps no refresh tokens that have expired, once others have logged in', async () => {
    const logIn = () => guarded.as(basic('ann', PASSWORD), 'GET', '/token?offline_token=true')
    for (let i = 0; i < 20; i++) await logIn()
    guarded.wait(91 * 24 * HOUR)
    for (let i = 0; i < 200; i++) await logIn()
    const rows = await guarded.table.query<RefreshRow>('refresh')
    const expired = rows.filter(({ expires }) => expires <= guarded.now())
    expect(rows.length - expired.length).toBe(200)
    // Where new rows come to lie is chance: the foremost of the old ones may still be there.
    expect(expired.length).toBeLessThan(4)
  })

  it('renews a login for ninety days, and gives out what does so to those alone who ask for it', async () => {
    const { json } = await guarded.as(basic('ann', PASSWORD), 'GET', '/token?offline_token=true')
    const { refresh_token } = json as { refresh_token: string }
    const renew = () =>
      guarded.request('POST', '/token', form({ grant_type: 'refresh_token', refresh_token }))
    guarded.wait(90 * 24 * HOUR - 1)
    expect((await renew()).status).toBe(200)
    guarded.wait(1)
    expect((await renew()).status).toBe(401)

    const plain = await guarded.as(basic('ann', PASSWORD), 'GET', '/token')
    const login = form({ grant_type: 'password', username: 'ann', password: PASSWORD })
    const posted = await guarded.expectStatus(200, 'POST', '/token', login)
    for (const { json } of [plain, posted]) expect(json).not.toHaveProperty('refresh_token')
  })

  it.each([
    ['a wrong password', () => guarded.as(basic('ann', 'wrong password'), 'GET', '/token')],
    ['an unknown name', () => guarded.as(basic('who', PASSWORD), 'GET', '/token')],
    ['no password', () => guarded.as({ authorization: 'Basic YW5u' }, 'GET', '/token')],
    ['a token instead of a password', () => guarded.as(bearer('x'), 'GET', '/token')],
    [
      'a wrong refresh token',
      () => guarded.request('POST', '/token', form({ grant_type: 'refresh_token', refresh_token: 'lsr_x' })),
    ],
    [
      'a form with a wrong password',
      () =>
        guarded.request('POST', '/token', form({ grant_type: 'password', username: 'ann', password: 'x' })),
    ],
  ])('refuses %s with 401', async (_, ask) => {
    const { status, code } = await ask()
    expect([status, code]).toEqual([401, 'UNAUTHORIZED'])
  })

  it('refuses a grant that it does not know with 400', async () => {
    expect((await guarded.request('POST', '/token', form({ grant_type: 'code' }))).status).toBe(400)
  })
})

describe('whoever guesses', () => {
  const guess = (name: string, password = 'wrong password') =>
    guarded.as(basic(name, password), 'GET', '/v2/')

  it('must wait after ten wrong passwords, and is told for how long', async () => {
    for (let i = 0; i < 10; i++) expect((await guess('ann', `wrong ${i}`)).status).toBe(401)
    const slowed = await guess('ann', PASSWORD)
    expect([slowed.status, slowed.code]).toEqual([429, 'TOOMANYREQUESTS'])
    expect(Number(slowed.headers['retry-after'])).toBeGreaterThan(200)

    guarded.wait(5 * 60_000)
    expect((await guess('ann', PASSWORD)).status).toBe(200)
  })

  it('need not wait because a client goes on with an old one', async () => {
    for (let i = 0; i < 50; i++) await guess('ann', 'the password of last year')
    expect((await guess('ann', PASSWORD)).status).toBe(200)
  })

  it('must wait after a hundred wrong passwords for any names', async () => {
    const codes = new Set<number>()
    for (let i = 0; i < 101; i++) {
      await guarded.addUser(`name-${i}`) // the tests' users have hashes that are cheap to compute
      codes.add((await guess(`name-${i}`, `wrong ${i}`)).status)
    }
    expect(codes).toEqual(new Set([401, 429]))
  })

  it('keeps nobody out who is elsewhere', async () => {
    for (let i = 0; i < 11; i++) await guess('root', `wrong ${i}`)
    const elsewhere = await guarded.auth.authorize(
      {
        method: 'GET',
        path: '/v2/',
        query: new URLSearchParams(),
        headers: basic('root', PASSWORD),
        remote: '198.51.100.9',
        body: (async function* () {})(),
      },
      { action: 'ping', params: {} },
    )
    expect(elsewhere.subject).toMatchObject({ name: 'root' })
  })
})
