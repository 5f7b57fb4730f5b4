import { afterAll, beforeAll, expect, it } from 'vitest'
import { awsPassword } from '../../cli/aws-password.ts'
import { content } from '../support/images.ts'
import { Issuer } from '../support/issuer.ts'
import { Sts } from '../support/sts.ts'
import { TempDir } from '../support/temp-dir.ts'
import { Cloud } from './emulator/cloud.ts'
import { commandLine, send } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

const KEYS = { accessKeyId: 'ASIAEXAMPLEEXAMPLE00', secretAccessKey: 'key', sessionToken: 'session' }
const RULES = [
  { name: 'role', who: ['role:arn:aws:iam::123456789012:role/deploy'], may: ['pull', 'push'], on: ['app'] },
  { name: 'ci', who: ['oidc:ci'], claims: { ref: 'refs/heads/main' }, may: ['pull', 'push'], on: ['app'] },
]

describeInCloud({}, 'federated logins on the deployed system', () => {
  const scratch = new TempDir('longshore-federated-')
  let sts: Sts
  let issuer: Issuer
  let cloud: Cloud
  beforeAll(async () => {
    sts = await Sts.start()
    sts.addSigner({ credentials: KEYS, arn: 'arn:aws:sts::123456789012:assumed-role/deploy/build' })
    issuer = await Issuer.start()
    const issuers = [{ name: 'ci', issuer: issuer.url, claims: { repository: 'acme/*' } }]
    cloud = await Cloud.start({
      auth: 'on',
      relay: true,
      environment: {
        AWS_ENDPOINT_URL_STS: sts.endpoint,
        LONGSHORE_AWS_ACCOUNTS: '123456789012',
        LONGSHORE_ISSUERS: JSON.stringify(issuers),
      },
    })
    const policy = scratch.write('policy.json', JSON.stringify({ rules: RULES }))
    await commandLine(cloud)(`policy set ${policy}`)
  })
  afterAll(async () => {
    await cloud?.stop()
    await sts?.stop()
    await issuer?.stop()
    scratch.remove()
  })

  const basic = (name: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
  })
  const awsLogin = async (registry = cloud.host) =>
    basic('aws', await awsPassword({ registry, region: 'eu-central-1', credentials: KEYS, now: new Date() }))
  const tokenLogin = async (audience = cloud.host) =>
    basic('oidc', await issuer.mint({ audience, claims: { ref: 'refs/heads/main' } }))

  it.each([
    ['AWS IAM', () => awsLogin()],
    ['an ID token', () => tokenLogin()],
  ])('push with %s through the API and the relay', async (_, login) => {
    const headers = await login()
    const small = content('application/octet-stream', { login: headers.authorization })
    const target = `/v2/app/blobs/uploads/?digest=${small.digest}`
    expect((await send(cloud, 'POST', target, { body: small.bytes, headers })).status).toBe(201)

    const { text } = await send(cloud, 'GET', '/token?scope=repository:app:pull,push', { headers })
    const bearer = { authorization: `Bearer ${JSON.parse(text).token}` }
    const begun = await send(cloud, 'POST', '/v2/app/blobs/uploads/', { headers: bearer })
    const location = begun.headers.location?.replace(cloud.origin, '') ?? ''
    expect(location.length).toBeLessThan(4_000) // CloudFront's limit is 8,192.
    const body = Buffer.alloc(5 * 2 ** 20)
    expect((await send(cloud, 'PATCH', location, { body, headers: bearer })).status).toBe(202)
    const elsewhere = await send(cloud, 'POST', '/v2/other/blobs/uploads/', { headers })
    expect(elsewhere.status).toBe(403)
  })

  it('refuse a login that was made for another registry', async () => {
    expect((await send(cloud, 'GET', '/v2/', { headers: await awsLogin('registry.example') })).status).toBe(
      401,
    )
    expect((await send(cloud, 'GET', '/v2/', { headers: await tokenLogin('registry.example') })).status).toBe(
      401,
    )
  })

  it('log no secret', () => {
    for (const secret of ['X-Amz-Signature', 'eyJhbGciOi', '_state='])
      expect(cloud.logs).not.toContain(secret)
  })
})
