import { SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { httpGet } from '../../../../lambda/auth/identity/federated/http-get.ts'
import {
  parseIssuers,
  type Issuer as TrustedIssuer,
} from '../../../../lambda/auth/identity/federated/issuers.ts'
import { oidcLogin } from '../../../../lambda/auth/identity/federated/oidc.ts'
import { basic, bearer, type Guarded, openGuarded } from '../../../support/auth.ts'
import { Issuer, makeKey } from '../../../support/issuer.ts'

let issuer: Issuer
let other: Issuer
beforeAll(async () => {
  issuer = await Issuer.start()
  other = await Issuer.start('ES256')
})
afterAll(async () => {
  await issuer.stop()
  await other.stop()
})

let guarded: Guarded
async function open(...overrides: Partial<TrustedIssuer>[]): Promise<void> {
  const issuers = overrides.map(override => ({
    name: 'ci',
    issuer: issuer.url,
    claims: { repository: 'acme/*' },
    ...override,
  }))
  guarded = await openGuarded({
    federated: [oidcLogin({ issuers: parseIssuers(issuers), get: httpGet, clock: () => guarded.now() })],
  })
  guarded.wait(Date.now() - guarded.now())
  await guarded.setPolicy({
    rules: [
      {
        name: 'main may push',
        who: ['oidc:ci'],
        claims: { repository: 'acme/app', ref: 'refs/heads/main' },
        may: ['push'],
        on: ['app'],
      },
      { name: 'all may pull', who: ['oidc:ci'], may: ['pull'], on: ['app'] },
      { name: 'by subject', who: ['oidc:ci'], claims: { sub: 'repo:acme/**' }, may: ['delete'], on: ['app'] },
    ],
  })
}
beforeEach(async () => {
  issuer.requests.length = 0
  issuer.status = 200
  issuer.discovery = {}
  await open({})
})

const mint = (options: Parameters<Issuer['mint']>[0] = {}) => issuer.mint({ now: guarded.now(), ...options })
/** A token of the issuer with these time claims and no others. */
const sign = (times: { readonly iat?: number; readonly exp?: number }) =>
  new SignJWT({ sub: 'repo:acme/app', repository: 'acme/app', ...times })
    .setProtectedHeader({ alg: issuer.key.alg, kid: issuer.key.kid })
    .setIssuer(issuer.url)
    .setAudience('registry.example')
    .sign(issuer.key.privateKey)
const logIn = (token: string) => guarded.as(basic('oidc', token), 'GET', '/v2/')
const MAIN = { ref: 'refs/heads/main' }

describe('a login by OpenID Connect', () => {
  it('identifies the workload by its issuer and its subject', async () => {
    const me = await guarded.as(basic('oidc', await mint({ claims: MAIN })), 'GET', '/api/me')
    expect(me.json).toMatchObject({
      id: 'oidc:ci:repo:acme/app:ref:refs/heads/main',
      claims: { repository: 'acme/app', ref: 'refs/heads/main' },
    })
  })

  it('has the rights that the claims give, also with a token of the registry', async () => {
    const scope = 'repository:app:pull,push'
    const main = await guarded.tokenFor(basic('oidc', await mint({ claims: MAIN })), scope)
    const branch = await guarded.tokenFor(
      basic('oidc', await mint({ claims: { ref: 'refs/heads/x' } })),
      scope,
    )
    const push = (token: string) => guarded.as(bearer(token), 'POST', '/v2/app/blobs/uploads/')
    expect((await push(main)).status).toBe(202)
    expect((await push(branch)).status).toBe(403)
    expect((await guarded.as(bearer(branch), 'GET', '/v2/app/tags/list')).status).toBe(404)
    const explained = await guarded.as(basic('root', 'correct horse'), 'POST', '/api/policy/explain', {
      body: JSON.stringify({
        who: 'oidc:ci',
        action: 'push',
        repository: 'app',
        claims: { ...MAIN, repository: 'acme/app' },
      }),
    })
    expect(explained.json).toMatchObject({ allowed: true, because: 'of the rule "main may push"' })
  })

  it('can be explained for a rule that requires the claim sub', async () => {
    const rule = {
      name: 'of acme',
      who: ['oidc:ci'],
      claims: { sub: 'repo:acme/**' },
      may: ['push'],
      on: ['app'],
    }
    await guarded.setPolicy({ rules: [rule] })
    const explain = async (sub: string) => {
      const request = { who: 'oidc:ci', action: 'push', repository: 'app', claims: { sub } }
      const body = JSON.stringify(request)
      return (await guarded.as(basic('root', 'correct horse'), 'POST', '/api/policy/explain', { body })).json
    }
    expect(await explain('repo:acme/app:ref:refs/heads/main')).toMatchObject({ allowed: true })
    expect(await explain('repo:other/app')).toMatchObject({ allowed: false })
  })

  it('continues an upload after its tokens have expired', async () => {
    const token = await guarded.tokenFor(basic('oidc', await mint({ claims: MAIN })), 'repository:app:push')
    const { headers } = await guarded.as(bearer(token), 'POST', '/v2/app/blobs/uploads/')
    guarded.wait(2 * 60 * 60_000)
    const location = headers.location?.replace('https://registry.example', '') ?? ''
    const patch = await guarded.as(bearer(token), 'PATCH', location, { body: 'layer' })
    expect(patch.status).toBe(202)
  })

  it.each(['x', 'é', '流'])(
    'continues an upload with the longest claims and subject that are kept, in characters such as %s',
    async letter => {
      const fill = (bytes: number) => letter.repeat(bytes / Buffer.byteLength(letter))
      const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`c${i}`, fill(246)]))
      const claims = { ...MAIN, sub: fill(510), ...many }
      const token = await guarded.tokenFor(basic('oidc', await mint({ claims })), 'repository:app:push')
      const { headers } = await guarded.as(bearer(token), 'POST', '/v2/app/blobs/uploads/')
      const location = headers.location?.replace('https://registry.example', '') ?? ''
      expect((await guarded.request('PATCH', location, { body: 'layer' })).status).toBe(202)
      expect(token.length + location.length).toBeLessThan(10_000) // API Gateway accepts 10,240 bytes of both
    },
  )

  it('fetches the keys of the issuer once', async () => {
    for (let i = 0; i < 5; i++) expect((await logIn(await mint({ claims: { run: i } }))).status).toBe(200)
    expect(issuer.requests).toEqual(['/.well-known/openid-configuration', '/keys'])
  })

  it.each(['registry.example', 'https://registry.example', ['other', 'registry.example']])(
    'accepts the audience %s',
    async audience => {
      expect((await logIn(await mint({ audience }))).status).toBe(200)
    },
  )

  it('accepts only the audience of the settings if there is one', async () => {
    await open({ audience: 'longshore' })
    expect((await logIn(await mint({ audience: 'longshore' }))).status).toBe(200)
    expect((await logIn(await mint({ audience: 'registry.example' }))).status).toBe(401)
  })

  it.each<[why: string, () => Promise<string>]>([
    ['for another registry', () => mint({ audience: 'registry.example.evil' })],
    ['for no audience', () => mint({ audience: [] })],
    ['expired', () => mint({ now: guarded.now() - 600_000 })],
    ['not valid yet', () => mint({ now: guarded.now() + 120_000 })],
    ['of another repository of the same issuer', () => mint({ claims: { repository: 'evil/app' } })],
    ['without the required claim', () => mint({ claims: { repository: null } })],
    ['whose required claim is a list', () => mint({ claims: { repository: ['acme/app'] } })],
    ['without a subject', () => mint({ claims: { sub: undefined as never } })],
    ['with an empty subject', () => mint({ claims: { sub: '' } })],
    ['whose subject is an object', () => mint({ claims: { sub: { name: 'a' } as never } })],
    ['whose subject is null', () => mint({ claims: { sub: null as never } })],
    ['whose subject is too long', () => mint({ claims: { sub: 'é'.repeat(257) } })],
    ['without an expiry', () => sign({ iat: Math.floor(guarded.now() / 1000) })],
    ['without the time of its issue', () => sign({ exp: Math.floor(guarded.now() / 1000) + 60 })],
    ['signed with an unknown key', async () => mint({ key: await makeKey() })],
    [
      'signed with another key of the same id',
      async () => mint({ key: { ...(await makeKey()), kid: issuer.key.kid } }),
    ],
    ['signed by another issuer for this one', () => other.mint({ issuer: issuer.url, now: guarded.now() })],
    ['of an issuer that is not trusted', () => other.mint({ now: guarded.now() })],
    ['of an issuer whose URL only begins with a trusted one', () => mint({ issuer: `${issuer.url}/` })],
    ['altered', async () => (await mint()).replace(/\.[\w-]+\./, part => `${part.slice(0, -2)}A.`)],
    ['without a signature', async () => (await mint()).replace(/\.[\w-]+$/, '.')],
    ['not a JSON Web Token', async () => 'password'],
    ['a token of the registry', () => guarded.tokenFor({})],
  ])('rejects a token that is %s', async (_, token) => {
    const { status, exchange } = await logIn(await token())
    expect([status, exchange.code]).toEqual([401, 'UNAUTHORIZED'])
  })

  it.each([
    { alg: 'none' },
    { alg: 'HS256', kid: 'issuer' },
    { alg: 'RS256', jwk: 'own' },
    { alg: 'RS256', jku: 'https://evil.example/keys' },
    { alg: 'RS256', kid: 'issuer', crit: ['x'], x: 1 },
  ])('rejects a token with the header %j', async header => {
    const ownKey = await makeKey()
    const secret = new TextEncoder().encode(JSON.stringify(issuer.key.jwk).padEnd(64))
    const fullHeader = {
      ...header,
      ...('kid' in header && { kid: issuer.key.kid }),
      ...('jwk' in header && { jwk: ownKey.jwk }),
    }
    const claims = { sub: 'repo:acme/app', repository: 'acme/app', aud: 'registry.example', iss: issuer.url }
    const seconds = Math.floor(guarded.now() / 1000)
    const payload = { ...claims, iat: seconds, exp: seconds + 60 }
    const token =
      header.alg === 'none'
        ? `${encode(fullHeader)}.${encode(payload)}.`
        : await new SignJWT(payload)
            .setProtectedHeader(fullHeader as never)
            .sign(header.alg === 'HS256' ? secret : ownKey.privateKey, { crit: { x: true } })
    expect((await logIn(token)).status).toBe(401)
    expect(issuer.requests).not.toContain('https://evil.example/keys')
  })

  it('accepts an elliptic curve signature', async () => {
    await open({ issuer: other.url })
    expect((await logIn(await other.mint({ now: guarded.now() }))).status).toBe(200)
  })

  it('rejects a token of a key that the issuer has replaced', async () => {
    const before = await mint()
    await logIn(before)
    await issuer.rotate()
    await open({}) // the cooldown between two fetches is measured by a clock of the library that the test cannot set
    expect((await logIn(await mint())).status).toBe(200)
    guarded.wait(61_000)
    expect((await logIn(before)).status).toBe(401)
  })

  it('does not fetch the keys again for each unknown key id', async () => {
    await logIn(await mint())
    for (let i = 0; i < 3; i++) expect((await logIn(await mint({ key: await makeKey() }))).status).toBe(401)
    expect(issuer.requests.filter(path => path === '/keys')).toHaveLength(1)
  })

  it('fails with 503 and Retry-After while the issuer fails, and succeeds afterwards', async () => {
    issuer.status = 500
    const { status, headers } = await logIn(await mint())
    expect([status, headers['retry-after']]).toEqual([503, '30'])
    issuer.status = 200
    expect((await logIn(await mint())).status).toBe(200)
  })

  it.each([{ issuer: 'https://evil.example' }, { jwks_uri: 'http://evil.example/keys' }, { jwks_uri: 7 }])(
    'does not use a Discovery document with %j',
    async discovery => {
      issuer.discovery = discovery
      expect((await logIn(await mint())).status).toBe(503)
    },
  )

  it('does not fetch keys without TLS from another origin than that of the issuer', async () => {
    other.requests.length = 0
    issuer.discovery = { jwks_uri: `${other.url}/keys` }
    expect((await logIn(await mint({ key: other.key }))).status).toBe(503)
    expect(other.requests).toEqual([])
  })

  it('uses the keys of the settings and sends no request', async () => {
    await open({ jwks: { keys: [issuer.key.jwk as { kty: string }] } })
    expect((await logIn(await mint())).status).toBe(200)
    expect(issuer.requests).toEqual([])
  })

  it('keeps the claims of Kubernetes and GitLab as strings, up to the limit', async () => {
    await open({ claims: { sub: '**' } })
    const claims = {
      'kubernetes.io': { namespace: 'build', serviceaccount: { name: 'ci', uid: 'x' } },
      project_id: 7,
      ref_protected: true,
      groups: ['a', 'b'],
      long: 'x'.repeat(300),
      ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`claim${i}`, 'y'.repeat(100)])),
    }
    const token = await mint({ claims })
    const me = await guarded.as(basic('oidc', token), 'GET', '/api/me')
    const { claims: kept } = me.json as { claims: Record<string, string> }
    expect(kept).toMatchObject({
      'kubernetes.io.namespace': 'build',
      'kubernetes.io.serviceaccount.name': 'ci',
      project_id: '7',
      ref_protected: 'true',
    })
    for (const name of ['groups', 'long', 'claim39', 'aud', 'exp', 'iss'])
      expect(kept).not.toHaveProperty(name)
    expect((await guarded.tokenFor(basic('oidc', token))).length).toBeLessThan(5_000)
  })
})

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
