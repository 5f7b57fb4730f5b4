import { afterAll, beforeAll, expect, it } from 'vitest'
import { Cloud } from './emulator/cloud.ts'
import { makeAdministrator } from './emulator/first-administrator.ts'
import { ask, layerOf } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

describeInCloud({}, 'logins through the deployed path', () => {
  let cloud: Cloud
  /** Of the first administrator. */
  let basic: { authorization: string }
  beforeAll(async () => {
    cloud = await Cloud.start({ auth: 'on', pull: 'edge', relay: true })
    const password = await makeAdministrator(cloud)
    basic = { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` }
  })
  afterAll(() => cloud?.stop())

  it('are asked for, at the address that the client knows', async () => {
    const { status, headers } = await ask(cloud, 'GET', '/v2/')
    expect([status, headers['www-authenticate']]).toEqual([
      401,
      `Bearer realm="${cloud.origin}/token",service="${cloud.host}"`,
    ])
  })

  it('let in who has one', async () => {
    expect((await ask(cloud, 'GET', '/v2/', { headers: basic })).status).toBe(200)
    expect((await ask(cloud, 'GET', '/api/me', { headers: basic })).text).toContain('user:admin')
  })

  it('are in the URL of an upload, on the direct road and by the relay alike', async () => {
    const layer = layerOf()
    const begun = await ask(cloud, 'POST', '/v2/app/blobs/uploads/', { headers: basic })
    const location = begun.headers.location?.replace(cloud.origin, '') ?? ''
    expect(location).toMatch(/_state=.*&stream=.*&direct=/)
    const put = await ask(cloud, 'PUT', `${location}&digest=${layer.digest}`, { body: layer.bytes })
    expect(put.status).toBe(201)

    const other = await ask(cloud, 'POST', '/v2/app/blobs/uploads/', { headers: basic })
    const patch = await ask(cloud, 'PATCH', other.headers.location?.replace(cloud.origin, '') ?? '', {
      body: Buffer.alloc(5 * 2 ** 20),
    })
    expect(patch.status).toBe(202)
    const stranger = await ask(cloud, 'PATCH', location.split('?')[0] ?? '', { body: layer.bytes })
    expect(stranger.status).toBe(404)
    const signature = /stream=[^&]+/.exec(location)?.[0]
    const thief = await ask(cloud, 'PATCH', `${location.split('?')[0]}?${signature}`, { body: layer.bytes })
    expect(thief.status).toBe(401)
  })

  it('of a blob stay with us: neither S3 nor what is behind /pull/ hears of them', async () => {
    const layer = layerOf()
    const target = `/v2/app/blobs/uploads/?digest=${layer.digest}`
    const refused = await ask(cloud, 'POST', target, { body: layer.bytes, headers: basic })
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([
      401,
      expect.stringMatching(/^Bearer /),
    ])
    const { text } = await ask(cloud, 'GET', '/token?scope=repository:app:pull,push', { headers: basic })
    const bearer = { authorization: `Bearer ${JSON.parse(text).token}` }
    expect((await ask(cloud, 'POST', target, { body: layer.bytes, headers: bearer })).status).toBe(201)
    const got = await ask(cloud, 'GET', `/v2/app/blobs/${layer.digest}`, { headers: basic })
    expect(got.status).toBe(307)
    const location = got.headers.location?.replace(cloud.origin, '') ?? ''
    expect((await ask(cloud, 'GET', location, { headers: basic })).status).toBe(200)
    expect((await ask(cloud, 'GET', `/v2/app/blobs/${layer.digest}`)).status).toBe(401)
  })
})
