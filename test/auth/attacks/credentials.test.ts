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
 * Known vulnerabilities of other registries, tried on this one: forged credentials, and credentials that leak.
 */

const ROOT = basic('root', PASSWORD)

let guarded: Guarded
/** The requests that federated logins would have sent. */
let requests: URL[]
beforeEach(async () => {
  requests = []
  const parts = {
    get: async (url: URL) => {
      requests.push(url)
      return { status: 200, text: '{}' }
    },
    clock: Date.now,
  }
  const issuers = [{ name: 'ci', issuer: 'https://ci.example', claims: { sub: '**' } }]
  guarded = await openGuarded({
    federated: [awsLogin({ accounts: ['123456789012'], ...parts }), oidcLogin({ issuers, ...parts })],
  })
})

describe('a token that contains its own key (CVE-2025-24976)', () => {
  it.each(['jwk', 'jku', 'x5c', 'x5u'])('is rejected with the header %s', async header => {
    const ownKey = await makeKey('ES256')
    const values = {
      jwk: ownKey.jwk,
      jku: 'https://evil.example/keys',
      x5c: ['MIIB'],
      x5u: 'https://evil.example/x',
    }
    const seconds = Math.floor(guarded.now() / 1000)
    const names = { iss: 'registry.example', aud: 'registry.example', sub: 'account:root', generation: 0 }
    const token = await new SignJWT({ ...names, iat: seconds, nbf: seconds, exp: seconds + 60, access: [] })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', [header]: values[header as 'jwk'] } as never)
      .sign(ownKey.privateKey)
    expect((await guarded.as(bearer(token), 'GET', '/v2/')).status).toBe(401)
  })

  it('is rejected if it names a key of the registry and is signed with another one', async () => {
    const { id } = guarded.keyring().newest
    const token = await new SignJWT({ sub: 'account:root' })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid: id })
      .setExpirationTime('1h')
      .sign(Buffer.from(newKey(), 'base64url'))
    expect((await guarded.as(bearer(token), 'GET', '/v2/')).status).toBe(401)
  })
})

describe('a URL of another host in a response (CVE-2026-33540, GHSA-jxpm-75mh-9fp7)', () => {
  it('does not result from any header of a request', async () => {
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
        const response = await guarded.request(method, target, { headers: { ...evil, ...login } })
        expect(JSON.stringify(response.headers) + response.text).not.toContain('evil')
        const { location = '/v2/', 'www-authenticate': challenge = ORIGIN } = response.headers
        expect(location).toMatch(/^(\/v2\/|https:\/\/registry\.example\/)/)
        expect(challenge).toContain('registry.example')
      }
  })
})

describe('a request to a URL that a client chooses (CVE-2026-2376)', () => {
  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'https://sts.amazonaws.com.evil.example/?Action=GetCallerIdentity',
    'https://evil.example/?x=https://sts.amazonaws.com/',
    'https://[::1]/?Action=GetCallerIdentity&Version=2011-06-15',
    'file:///etc/passwd',
    'gopher://127.0.0.1:6379/_x',
  ])('is not sent for the password %s', async password => {
    expect((await guarded.as(basic('aws', password), 'GET', '/v2/')).status).toBe(401)
    expect(requests).toEqual([])
  })

  it('is not sent to the issuer or the keys that an ID token names', async () => {
    const ownKey = await makeKey()
    const token = await new SignJWT({ sub: 'x' })
      .setProtectedHeader({ alg: 'RS256', kid: 'x', jku: 'http://169.254.169.254/' })
      .setIssuer('http://169.254.169.254/')
      .setAudience('registry.example')
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(ownKey.privateKey)
    expect((await guarded.as(basic('oidc', token), 'GET', '/v2/')).status).toBe(401)
    expect(requests).toEqual([])
  })
})

describe('a default password (CVE-2026-4404)', () => {
  it('does not exist, because a new registry has no accounts', async () => {
    const { accounts } = (await openGuarded()).auth
    await accounts.remove('root', 'user') // the fixture has added it
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
  ])('is not accepted: %s with "%s"', async (name, password) => {
    expect((await guarded.as(basic(name, password), 'GET', '/v2/')).status).toBe(401)
  })
})

describe('a password hash or a key in a response (CVE-2024-22261, CVE-2025-30086)', () => {
  it('is not sent to administrators, in any list and for any query', async () => {
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
  it('is not written, for any credentials and any failure', async () => {
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
      const request = { requestId: 'r', startedAt: 0, durationMs: 0, status, bytesIn: 0, bytesOut: 0, method }
      logged.push(JSON.stringify(accessRecord(request, exchange)))
      if (exchange.fault) logged.push(JSON.stringify(faultRecord(0, exchange.fault)))
    }
    for (const secret of [PASSWORD, 'not the password', token, '_state=', 'eyJ', ROOT.authorization])
      expect(logged.join()).not.toContain(secret)
  })
})

describe('a name that the response time could reveal (CVE-2023-20902)', () => {
  it.each<[string, (accounts: Accounts) => Promise<unknown>]>([
    ['scrypt', accounts => accounts.addUser('ann', { password: PASSWORD })],
    ['bcrypt, as htpasswd makes it', accounts => accounts.addUser('ann', { secret: hashSync(PASSWORD, 4) })],
    ['a robot', accounts => accounts.addRobot('ann', { grants: [{ may: ['pull'], on: ['app'] }] })],
  ])('costs one scrypt hash, like an unknown name: %s', async (_, add) => {
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
    const costsOfKnownName = costs.splice(0)
    await guarded.as(basic('nobody', 'wrong'), 'GET', '/v2/')
    expect([costsOfKnownName, costs]).toEqual([[cost], [cost]])
  })
})
