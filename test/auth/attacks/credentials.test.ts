import { hashSync } from 'bcryptjs'
import { SignJWT } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Accounts } from '../../../lambda/auth/identity/accounts.ts'
import { awsLogin } from '../../../lambda/auth/identity/federated/aws.ts'
import { oidcLogin } from '../../../lambda/auth/identity/federated/oidc.ts'
import { IN_PROCESS, type KeyDerivation } from '../../../lambda/auth/identity/key-derivation.ts'
import { Passwords } from '../../../lambda/auth/identity/passwords.ts'
import { accessRecord, faultRecord } from '../../../lambda/http/access-log.ts'
import { basic, bearer, type Guarded, newKey, ORIGIN, openGuarded, PASSWORD } from '../../support/auth.ts'
import { makeKey } from '../../support/issuer.ts'

/*
 * What other registries were broken by, tried on this one: what proves who somebody is, and where that gets to.
 */

const ROOT = basic('root', PASSWORD)

let guarded: Guarded
/** Where it would have sent something. */
let asked: URL[]
beforeEach(async () => {
  asked = []
  const parts = {
    get: async (url: URL) => {
      asked.push(url)
      return { status: 200, text: '{}' }
    },
    clock: Date.now,
  }
  const issuers = [{ name: 'ci', issuer: 'https://ci.example', claims: { sub: '**' } }]
  guarded = await openGuarded({
    federated: [awsLogin({ accounts: ['123456789012'], ...parts }), oidcLogin({ issuers, ...parts })],
  })
})

describe('a token that brings its own key (CVE-2025-24976)', () => {
  it.each(['jwk', 'jku', 'x5c', 'x5u'])('is not believed for its %s', async header => {
    const mine = await makeKey('ES256')
    const values = {
      jwk: mine.jwk,
      jku: 'https://evil.example/keys',
      x5c: ['MIIB'],
      x5u: 'https://evil.example/x',
    }
    const seconds = Math.floor(guarded.now() / 1000)
    const names = { iss: 'registry.example', aud: 'registry.example', sub: 'account:root', generation: 0 }
    const token = await new SignJWT({ ...names, iat: seconds, nbf: seconds, exp: seconds + 60, access: [] })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', [header]: values[header as 'jwk'] } as never)
      .sign(mine.privateKey)
    expect((await guarded.as(bearer(token), 'GET', '/v2/')).status).toBe(401)
  })

  it('is not believed when a key of ours is named beside it', async () => {
    const { id } = guarded.keyring().newest
    const token = await new SignJWT({ sub: 'account:root' })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid: id })
      .setExpirationTime('1h')
      .sign(Buffer.from(newKey(), 'base64url'))
    expect((await guarded.as(bearer(token), 'GET', '/v2/')).status).toBe(401)
  })
})

describe('a way for a password to somebody else’s host (CVE-2026-33540, GHSA-jxpm-75mh-9fp7)', () => {
  it('is in no answer, whatever a client says where it is', async () => {
    const evil = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      forwarded: 'host=evil.example;proto=http',
      'x-forwarded-proto': 'http',
      'x-original-url': 'http://evil.example/',
      referer: 'http://evil.example/',
    }
    for (const login of [{}, ROOT])
      for (const [method, target] of [
        ['GET', '/v2/'],
        ['GET', '/v2/_catalog?n=1'],
        ['POST', '/v2/app/blobs/uploads/'],
        ['GET', '/v2/app/tags/list?n=1'],
        ['GET', '/token?scope=repository:app:pull'],
      ] as const) {
        const answer = await guarded.request(method, target, { headers: { ...evil, ...login } })
        expect(JSON.stringify(answer.headers) + answer.text).not.toContain('evil')
        const { location = '/v2/', 'www-authenticate': challenge = ORIGIN } = answer.headers
        expect(location).toMatch(/^(\/v2\/|https:\/\/registry\.example\/)/)
        expect(challenge).toContain('registry.example')
      }
  })
})

describe('a question that we are made to ask (CVE-2026-2376)', () => {
  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'https://sts.amazonaws.com.evil.example/?Action=GetCallerIdentity',
    'https://evil.example/?x=https://sts.amazonaws.com/',
    'https://[::1]/?Action=GetCallerIdentity&Version=2011-06-15',
    'file:///etc/passwd',
    'gopher://127.0.0.1:6379/_x',
  ])('is not %s', async password => {
    expect((await guarded.as(basic('aws', password), 'GET', '/v2/')).status).toBe(401)
    expect(asked).toEqual([])
  })

  it('is not where an ID token says that its issuer or its keys are', async () => {
    const mine = await makeKey()
    const token = await new SignJWT({ sub: 'x' })
      .setProtectedHeader({ alg: 'RS256', kid: 'x', jku: 'http://169.254.169.254/' })
      .setIssuer('http://169.254.169.254/')
      .setAudience('registry.example')
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(mine.privateKey)
    expect((await guarded.as(basic('oidc', token), 'GET', '/v2/')).status).toBe(401)
    expect(asked).toEqual([])
  })
})

describe('a password that everybody knows (CVE-2026-4404)', () => {
  it('is not there: a registry begins without accounts', async () => {
    const { accounts } = (await openGuarded()).auth
    await accounts.remove('root', 'user') // which the tests have made
    expect(await accounts.some()).toBe(false)
  })

  it.each([
    ['admin', 'admin'],
    ['admin', 'Harbor12345'],
    ['admin', 'password'],
    ['admin', ''],
    ['root', ''],
    ['root', 'root'],
    ['AWS', 'x'],
    ['', ''],
  ])('is not %s and "%s"', async (name, password) => {
    expect((await guarded.as(basic(name, password), 'GET', '/v2/')).status).toBe(401)
  })
})

describe('a hash or a key in an answer (CVE-2024-22261, CVE-2025-30086)', () => {
  it('is shown to nobody, administrators included, by no list and no filter', async () => {
    const { key } = await guarded.auth.accounts.addRobot('ci', { grants: [{ may: ['pull'], on: ['**'] }] })
    for (const target of [
      '/api/users',
      '/api/users?secret=scrypt',
      '/api/robots?q=secret~',
      '/api/me',
      '/api/policy',
    ]) {
      const { status, text } = await guarded.as(ROOT, 'GET', target)
      expect(status).toBe(200)
      expect(text).not.toMatch(/scrypt|secret|generation/)
      expect(text).not.toContain(key)
    }
  })
})

describe('a secret in the log (CVE-2025-48374)', () => {
  it('is not there, whatever a request carries and however it fails', async () => {
    const { headers } = await guarded.as(ROOT, 'POST', '/v2/app/blobs/uploads/')
    const location = headers.location?.replace(ORIGIN, '') ?? ''
    const token = await guarded.tokenFor(ROOT, 'repository:app:pull')
    const logged: string[] = []
    for (const [login, method, target] of [
      [ROOT, 'GET', '/v2/'],
      [basic('root', 'not the password'), 'GET', '/v2/'],
      [basic('oidc', token), 'GET', '/v2/'],
      [bearer(token), 'GET', '/v2/app/tags/list'],
      [bearer(`${token}x`), 'GET', '/v2/app/tags/list'],
      [{}, 'PATCH', location],
      [ROOT, 'GET', `/token?password=${PASSWORD}&scope=${token}`],
    ] as const) {
      const { exchange, status } = await guarded.as(login, method, target)
      const visit = { requestId: 'r', startedAt: 0, durationMs: 0, status, bytesIn: 0, bytesOut: 0, method }
      logged.push(JSON.stringify(accessRecord(visit, exchange)))
      if (exchange.fault) logged.push(JSON.stringify(faultRecord(0, exchange.fault)))
    }
    for (const secret of [PASSWORD, 'not the password', token, '_state=', 'eyJ', ROOT.authorization])
      expect(logged.join()).not.toContain(secret)
  })
})

describe('a name that time tells (CVE-2023-20902)', () => {
  it.each<[string, (accounts: Accounts) => Promise<unknown>]>([
    ['scrypt', accounts => accounts.addUser('ann', { password: PASSWORD })],
    ['bcrypt, as htpasswd makes it', accounts => accounts.addUser('ann', { secret: hashSync(PASSWORD, 4) })],
    ['a robot', accounts => accounts.addRobot('ann', { grants: [{ may: ['pull'], on: ['app'] }] })],
  ])('costs the same scrypt hash when nobody has it as when somebody does: %s', async (_, add) => {
    const costs: unknown[] = []
    const derivation: KeyDerivation = {
      ...IN_PROCESS,
      scrypt: input => {
        costs.push(input.cost)
        return IN_PROCESS.scrypt(input)
      },
    }
    const cost = { N: 2 ** 4, r: 8, p: 1 }
    guarded = await openGuarded({ passwords: new Passwords({ cost, derivation }) })
    await add(guarded.auth.accounts)
    costs.length = 0
    await guarded.as(basic('ann', 'wrong'), 'GET', '/v2/')
    const known = costs.splice(0)
    await guarded.as(basic('nobody', 'wrong'), 'GET', '/v2/')
    expect([known, costs]).toEqual([[cost], [cost]])
  })
})
