import { afterAll, beforeAll, expect, it } from 'vitest'
import { Cloud } from './emulator/cloud.ts'
import { createAdministrator } from './emulator/first-administrator.ts'
import { layerOf, send } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

describeInCloud({}, 'logins on the deployed system', () => {
  let cloud: Cloud
  /** Credentials of the first administrator. */
  let basic: { authorization: string }
  beforeAll(async () => {
    cloud = await Cloud.start({ auth: 'on', pull: 'edge', relay: true })
    const password = await createAdministrator(cloud)
    basic = { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` }
  })
  afterAll(() => cloud?.stop())

  it('are required by a challenge with the address that the client used', async () => {
    const { status, headers } = await send(cloud, 'GET', '/v2/')
    expect([status, headers['www-authenticate']]).toEqual([
      401,
      `Bearer realm="${cloud.origin}/token",service="${cloud.host}"`,
    ])
  })

  it('are accepted', async () => {
    expect((await send(cloud, 'GET', '/v2/', { headers: basic })).status).toBe(200)
    expect((await send(cloud, 'GET', '/api/me', { headers: basic })).text).toContain('user:admin')
  })

  it('authorize an upload by its URL, for direct uploads and the relay', async () => {
    const layer = layerOf()
    const begun = await send(cloud, 'POST', '/v2/app/blobs/uploads/', { headers: basic })
    const location = begun.headers.location?.replace(cloud.origin, '') ?? ''
    expect(location).toMatch(/_state=.*&stream=.*&direct=/)
    const put = await send(cloud, 'PUT', `${location}&digest=${layer.digest}`, { body: layer.bytes })
    expect(put.status).toBe(201)

    const other = await send(cloud, 'POST', '/v2/app/blobs/uploads/', { headers: basic })
    const patch = await send(cloud, 'PATCH', other.headers.location?.replace(cloud.origin, '') ?? '', {
      body: Buffer.alloc(5 * 2 ** 20),
    })
    expect(patch.status).toBe(202)
    const stranger = await send(cloud, 'PATCH', location.split('?')[0] ?? '', { body: layer.bytes })
    expect(stranger.status).toBe(404)
    const signature = /stream=[^&]+/.exec(location)?.[0]
    const thief = await send(cloud, 'PATCH', `${location.split('?')[0]}?${signature}`, { body: layer.bytes })
    expect(thief.status).toBe(401)
  })

  it('do not reach S3, by a redirect or through /pull/', async () => {
    const layer = layerOf()
    const target = `/v2/app/blobs/uploads/?digest=${layer.digest}`
    const refused = await send(cloud, 'POST', target, { body: layer.bytes, headers: basic })
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([
      401,
      expect.stringMatching(/^Bearer /),
    ])
    const { text } = await send(cloud, 'GET', '/token?scope=repository:app:pull,push', { headers: basic })
    const bearer = { authorization: `Bearer ${JSON.parse(text).token}` }
    expect((await send(cloud, 'POST', target, { body: layer.bytes, headers: bearer })).status).toBe(201)
    const got = await send(cloud, 'GET', `/v2/app/blobs/${layer.digest}`, { headers: basic })
    expect(got.status).toBe(307)
    const location = got.headers.location?.replace(cloud.origin, '') ?? ''
    expect((await send(cloud, 'GET', location, { headers: basic })).status).toBe(200)
    expect((await send(cloud, 'GET', `/v2/app/blobs/${layer.digest}`)).status).toBe(401)
  })
})
