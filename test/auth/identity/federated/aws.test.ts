import { formatUrl } from '@aws-sdk/core/util'
import { SignatureV4 } from '@smithy/signature-v4'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { awsPassword } from '../../../../cli/aws-password.ts'
import { awsLogin } from '../../../../lambda/auth/identity/federated/aws.ts'
import { httpGetFrom } from '../../../../lambda/auth/identity/federated/http-get.ts'
import { CALLER_IDENTITY_QUERY } from '../../../../lambda/auth/identity/federated/presigned-identity.ts'
import { Sha256 } from '../../../../lambda/store/shared/aws-signing.ts'
import { basic, type Guarded, openGuarded } from '../../../support/auth.ts'
import { Sts } from '../../../support/sts.ts'

const ROLE = 'arn:aws:sts::123456789012:assumed-role/deploy/build-7'
const KEYS = {
  accessKeyId: 'ASIAEXAMPLEEXAMPLE00',
  secretAccessKey: 'secret/key+',
  sessionToken: 'to/ken+of=session',
}
const OTHER_KEYS = { accessKeyId: 'AKIAEXAMPLEEXAMPLE00', secretAccessKey: 'another' }
const MINUTE = 60_000

let sts: Sts
beforeAll(async () => {
  sts = await Sts.start()
  sts.addSigner({ credentials: KEYS, arn: ROLE })
  sts.addSigner({ credentials: OTHER_KEYS, arn: 'arn:aws:iam::999999999999:user/eve' })
})
afterAll(() => sts.stop())

let guarded: Guarded
beforeEach(async () => {
  sts.fault = undefined
  sts.requests.length = 0
  const get = httpGetFrom(sts.endpoint)
  guarded = await openGuarded({
    federated: [awsLogin({ accounts: ['123456789012'], get, clock: () => guarded.now() })],
  })
  guarded.wait(Date.now() - guarded.now()) // the STS of the tests uses the real time
  await guarded.setPolicy({
    rules: [
      { name: 'builds', who: ['role:arn:aws:iam::123456789012:role/deploy'], may: ['pull'], on: ['app'] },
      { name: 'one build', who: ['role:**'], claims: { session: 'build-7' }, may: ['push'], on: ['app'] },
      { name: 'others', who: ['role:**'], claims: { session: 'build-8' }, may: ['delete'], on: ['app'] },
    ],
  })
})

const password = (options: Partial<Parameters<typeof awsPassword>[0]> = {}) =>
  awsPassword({
    registry: 'registry.example',
    region: 'eu-central-1',
    credentials: KEYS,
    now: new Date(guarded.now()),
    ...options,
  })
/** A password with a lifetime that {@link awsPassword} does not offer. */
async function signedFor(seconds: number, now = guarded.now()): Promise<string> {
  const [service, region, hostname] = ['sts', 'eu-central-1', 'sts.eu-central-1.amazonaws.com']
  const signer = new SignatureV4({ service, region, credentials: KEYS, sha256: Sha256 })
  const headers = { host: hostname, 'x-longshore-registry': 'registry.example' }
  const request = {
    method: 'GET',
    protocol: 'https:',
    hostname,
    path: '/',
    headers,
    query: { ...CALLER_IDENTITY_QUERY },
  }
  return formatUrl(await signer.presign(request, { signingDate: new Date(now), expiresIn: seconds }))
}
const logIn = async (secret: string | Promise<string>) =>
  guarded.as(basic('aws', await secret), 'GET', '/v2/')
const withQuery = (url: string, change: (query: URLSearchParams) => void) => {
  const changed = new URL(url)
  change(changed.searchParams)
  return changed.href
}

describe('a login by AWS IAM', () => {
  it('identifies the signer of the request by the role', async () => {
    expect((await logIn(password())).status).toBe(200)
    const me = await guarded.as(basic('aws', await password()), 'GET', '/api/me')
    expect(me.json).toMatchObject({ kind: 'role', id: 'role:arn:aws:iam::123456789012:role/deploy' })
    expect(sts.requests[0]?.headers).toMatchObject({
      'x-forwarded-host': 'sts.eu-central-1.amazonaws.com',
      'x-longshore-registry': 'registry.example',
    })
    expect(sts.requests[0]?.headers).not.toHaveProperty('authorization')
  })

  it.each([
    ['pull', 200],
    ['push', 202],
    ['delete', 403],
  ])('has the rights of the role and of the session: %s has the status %i', async (action, status) => {
    await guarded.as(basic('root', 'correct horse'), 'PUT', '/v2/app/manifests/v1', {
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
      body: JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [],
      }),
    })
    const token = await guarded.tokenFor(basic('aws', await password()), 'repository:app:pull,push,delete')
    const method = { pull: 'GET', push: 'POST', delete: 'DELETE' }[action] ?? ''
    const target = action === 'push' ? '/v2/app/blobs/uploads/' : '/v2/app/manifests/v1'
    const headers = { authorization: `Bearer ${token}` }
    expect((await guarded.as(headers, method, target)).status).toBe(status)
  })

  it('sends one request to STS for a password that a client sends with every request', async () => {
    const secret = await password()
    for (let i = 0; i < 5; i++) await logIn(secret)
    expect(sts.requests.length).toBe(1)
  })

  it('is rejected 15 minutes after its signature, although it was cached', async () => {
    const secret = await password({ now: new Date(guarded.now() - 14 * MINUTE) })
    expect((await logIn(secret)).status).toBe(200)
    guarded.wait(2 * MINUTE)
    const { status, detail } = await logIn(secret)
    expect([status, detail]).toEqual([401, { reason: 'the password has expired' }])
  })

  it.each<[why: string, () => Promise<string>]>([
    ['for another registry', () => password({ registry: 'registry.example.evil' })],
    ['for another port', () => password({ registry: 'registry.example:8443' })],
    ['with a wrong secret key', () => password({ credentials: { ...KEYS, secretAccessKey: 'wrong' } })],
    [
      'with an unknown access key',
      () => password({ credentials: { ...KEYS, accessKeyId: 'ASIAUNKNOWNUNKNOWN00' } }),
    ],
    ['with a wrong session token', () => password({ credentials: { ...KEYS, sessionToken: 'stolen' } })],
    ['by a user of another account', () => password({ credentials: OTHER_KEYS })],
    ['in the future', () => password({ now: new Date(guarded.now() + 6 * MINUTE) })],
    ['too long ago', () => password({ now: new Date(guarded.now() - 15 * MINUTE) })],
    [
      'for longer than allowed',
      async () => withQuery(await password(), query => query.set('X-Amz-Expires', '3600')),
    ],
    [
      'on a date that does not exist',
      async () => withQuery(await password(), query => query.set('X-Amz-Date', '20269931T999999Z')),
    ],
    [
      'long ago, with a date that was altered to now',
      async () =>
        withQuery(await password({ now: new Date(guarded.now() - 20 * MINUTE) }), query =>
          query.set('X-Amz-Date', new Date(guarded.now()).toISOString().replace(/[-:]|\.\d{3}/g, '')),
        ),
    ],
    [
      'and its signature altered',
      async () => (await password()).replace(/.$/, last => (last === '0' ? '1' : '0')),
    ],
  ])('is rejected if it was signed %s', async (_, secret) => {
    expect((await logIn(secret())).status).toBe(401)
  })

  it.each<[why: string, (url: string) => string]>([
    ['another host', url => url.replace(/\/\/[^/]+/, '//evil.example')],
    [
      'a host that only begins with a host of STS',
      url => url.replace('amazonaws.com', 'amazonaws.com.evil.example'),
    ],
    ['a host that only ends with a host of STS', url => url.replace('sts.', 'evil-sts.')],
    ['a host of another service', url => url.replace('sts.', 's3.')],
    ['a Region that does not exist', url => url.replace('sts.eu-central-1', 'sts.eu-nowhere-1')],
    ['an address of the metadata service', url => url.replace(/\/\/[^/]+/, '//169.254.169.254')],
    ['userinfo that looks like the host', url => url.replace('//', '//sts.amazonaws.com@evil.example:443#')],
    ['userinfo', url => url.replace('//', '//a:b@')],
    ['a port', url => url.replace('.com/', '.com:8443/')],
    ['http', url => url.replace('https:', 'http:')],
    ['a path', url => url.replace('.com/', '.com/x/')],
    ['a backslash', url => url.replace('//', '\\\\')],
    ['a line break', url => url.replace('Action', '\r\nAction')],
    ['a fragment', url => `${url}#x`],
    ['another action', url => url.replace('GetCallerIdentity', 'GetSessionToken')],
    ['a second action', url => `${url}&Action=GetSessionToken`],
    ['the same action twice', url => `${url}&Action=GetCallerIdentity`],
    ['an additional parameter', url => `${url}&DurationSeconds=900`],
    ['a missing parameter', url => withQuery(url, query => query.delete('X-Amz-Expires'))],
    [
      'a signature that does not cover the registry',
      url => url.replace('host%3Bx-longshore-registry', 'host'),
    ],
    [
      'a signature that covers another header',
      url => url.replace('x-longshore-registry', 'x-longshore-registry%3Bx-other'),
    ],
    ['another algorithm', url => url.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256')],
    ['a credential scope of another service', url => url.replace('%2Fsts%2F', '%2Fs3%2F')],
    ['no content', () => ''],
    ['a word', () => 'password'],
    ['more than 8 KiB', url => `${url}&x=${'a'.repeat(9000)}`],
  ])('causes no request if the password has %s', async (_, change) => {
    const response = await logIn(change(await password()))
    expect([response.status, response.exchange.code, sts.requests.length]).toEqual([401, 'UNAUTHORIZED', 0])
  })

  it('causes no request if it was signed for longer than 15 minutes', async () => {
    expect([(await logIn(signedFor(901))).status, sts.requests.length]).toEqual([401, 0])
  })

  it('causes no request if it was signed for a shorter time and has expired', async () => {
    expect((await logIn(signedFor(60, guarded.now() - MINUTE))).detail).toEqual({
      reason: 'the password has expired',
    })
    expect(sts.requests).toEqual([])
  })

  it('is rejected for another account with a role that is named like an enabled account', async () => {
    const credentials = { accessKeyId: 'AKIAEXAMPLEEXAMPLE01', secretAccessKey: 'a third' }
    sts.addSigner({ credentials, arn: 'arn:aws:sts::999999999999:assumed-role/123456789012/s' })
    const { status, detail } = await logIn(password({ credentials }))
    expect([status, detail]).toEqual([
      401,
      { reason: 'logins from AWS account 999999999999 are not enabled' },
    ])
  })

  it('can be explained for a rule that requires the claim account', async () => {
    const rule = { name: 'ours', who: ['role:**'], claims: { account: '123456789012' } }
    await guarded.setPolicy({ rules: [{ ...rule, may: ['pull'], on: ['app'] }] })
    const explain = async (who: string) => {
      const body = JSON.stringify({ who, action: 'pull', repository: 'app' })
      return (await guarded.as(basic('root', 'correct horse'), 'POST', '/api/policy/explain', { body })).json
    }
    expect(await explain('role:arn:aws:iam::123456789012:role/any')).toMatchObject({ allowed: true })
    expect(await explain('role:arn:aws:iam::999999999999:role/any')).toMatchObject({ allowed: false })
  })

  it('is rejected if STS responds with 403, whatever the body', async () => {
    sts.fault = { status: 403, body: identity('123456789012', 'arn:aws:iam::123456789012:root') }
    expect((await logIn(password())).status).toBe(401)
  })

  it('fails with 503 and Retry-After if STS fails', async () => {
    sts.fault = { status: 503, body: '' }
    const { status, headers } = await logIn(password())
    expect([status, headers['retry-after']]).toEqual([503, '5'])
  })

  it('fails with 429 if STS throttles requests', async () => {
    sts.fault = { status: 400, body: '{"Error":{"Code":"Throttling"}}' }
    expect((await logIn(password())).status).toBe(429)
  })

  it.each([
    'no JSON',
    '{}',
    identity('123456789012', 'arn:aws:sts::999999999999:assumed-role/deploy/x'),
    identity('999999999999', 'arn:aws:iam::123456789012:root'),
    identity('123456789012', 'arn:aws:sts::123456789012:assumed-role/a/b/c'),
    identity('123456789012', 'arn:aws:sts::123456789012:assumed-role/deploy'),
    identity('123456789012', 'arn:evil:iam::123456789012:role/deploy'),
    identity('123456789012', 'prefix arn:aws:iam::123456789012:role/deploy'),
  ])('is rejected if STS responds with %s', async body => {
    sts.fault = { status: 200, body }
    expect((await logIn(password())).status).toBe(401)
  })

  it.each([
    ['arn:aws:iam::123456789012:user/team/bob', 'role:arn:aws:iam::123456789012:user/team/bob'],
    ['arn:aws:iam::123456789012:root', 'role:arn:aws:iam::123456789012:root'],
    ['arn:aws-cn:sts::123456789012:assumed-role/a/b', 'role:arn:aws-cn:iam::123456789012:role/a'],
    ['arn:aws:sts::123456789012:federated-user/bob', 'role:arn:aws:sts::123456789012:federated-user/bob'],
    [
      'arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/bob@example.com',
      'role:arn:aws:iam::123456789012:role/AWSReservedSSO_Dev_0123456789abcdef',
    ],
  ])('identifies %s as %s', async (arn, id) => {
    sts.fault = { status: 200, body: identity('123456789012', arn) }
    const me = await guarded.as(basic('aws', await password()), 'GET', '/api/me')
    expect(me.json).toMatchObject({ id })
  })

  it('counts as a failed login if it is rejected', async () => {
    for (let i = 0; i < 10; i++) await logIn(`wrong ${i}`)
    expect((await logIn(password())).status).toBe(429)
  })
})

function identity(Account: string, Arn: string): string {
  return JSON.stringify({
    GetCallerIdentityResponse: { GetCallerIdentityResult: { Account, Arn, UserId: 'A' } },
  })
}
