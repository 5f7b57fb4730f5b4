import { afterAll, beforeAll, expect, it } from 'vitest'
import { attempt, run } from '../support/command.ts'
import { image } from '../support/images.ts'
import { writeLayout } from '../support/oci-layout.ts'
import { randomBytesOf } from '../support/random-bytes.ts'
import { findTool } from '../support/requirements.ts'
import { Scratch } from '../support/scratch.ts'
import { Cloud } from './emulator/cloud.ts'
import { ask, layerOf } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20
const PASSWORD = 'correct horse'
const basic = { authorization: `Basic ${Buffer.from(`ann:${PASSWORD}`).toString('base64')}` }

describeInCloud({}, 'logins through the deployed path', () => {
  const scratch = new Scratch('longshore-logins-')
  let cloud: Cloud
  beforeAll(async () => {
    cloud = await Cloud.start({ auth: 'on', pull: 'edge', relay: true })
    // As the first administrator is made on AWS.
    const env = {
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'key',
      AWS_ENDPOINT_URL_DYNAMODB: cloud.dynamo.endpoint,
    }
    const words = ['user', 'add', 'ann', '--admin', '--table', 'registry']
    await run(process.execPath, ['cli/start.js', ...words], { env, input: PASSWORD })
  })
  afterAll(async () => {
    await cloud?.stop()
    scratch.remove()
  })

  it('are asked for, at the address that the client knows', async () => {
    const { status, headers } = await ask(cloud, 'GET', '/v2/')
    expect([status, headers['www-authenticate']]).toEqual([
      401,
      `Bearer realm="${cloud.origin}/token",service="${cloud.host}"`,
    ])
  })

  it('let in who has one', async () => {
    expect((await ask(cloud, 'GET', '/v2/', { headers: basic })).status).toBe(200)
    expect((await ask(cloud, 'GET', '/api/me', { headers: basic })).text).toContain('user:ann')
  })

  it('are in the URL of an upload, on the direct road and by the relay alike', async () => {
    const layer = layerOf()
    const begun = await ask(cloud, 'POST', '/v2/app/blobs/uploads/', { headers: basic })
    const location = begun.headers.location?.replace(cloud.origin, '') ?? ''
    expect(location).toMatch(/proof=.*&direct=/)
    const put = await ask(cloud, 'PUT', `${location}&digest=${layer.digest}`, { body: layer.bytes })
    expect(put.status).toBe(201)

    const other = await ask(cloud, 'POST', '/v2/app/blobs/uploads/', { headers: basic })
    const patch = await ask(cloud, 'PATCH', other.headers.location?.replace(cloud.origin, '') ?? '', {
      body: layer.bytes,
    })
    expect(patch.status).toBe(202)
    const stranger = await ask(cloud, 'PATCH', location.split('?')[0] ?? '', { body: layer.bytes })
    expect(stranger.status).toBe(401)
  })

  it('of a blob stay with us: neither S3 nor what is behind /pull/ hears of them', async () => {
    const layer = layerOf()
    await ask(cloud, 'POST', `/v2/app/blobs/uploads/?digest=${layer.digest}`, {
      body: layer.bytes,
      headers: basic,
    })
    const got = await ask(cloud, 'GET', `/v2/app/blobs/${layer.digest}`, { headers: basic })
    expect(got.status).toBe(307)
    const location = got.headers.location?.replace(cloud.origin, '') ?? ''
    expect((await ask(cloud, 'GET', location, { headers: basic })).status).toBe(200)
    expect((await ask(cloud, 'GET', `/v2/app/blobs/${layer.digest}`)).status).toBe(401)
  })

  describeInCloud({ tools: ['crane', 'oras'] }, 'crane and oras', () => {
    const env = { HOME: scratch.folder('home'), DOCKER_CONFIG: scratch.folder('home') }
    const crane = (...args: string[]) => attempt(findTool('crane') ?? 'crane', args, { env })
    const oras = (...args: string[]) => attempt(findTool('oras') ?? 'oras', args, { env, cwd: scratch.path })

    it('log in, push, pull and are refused', async () => {
      const name = `${cloud.host}/team/crane:1`
      const layout = writeLayout(scratch.join('layout'), { 1: image('cloud-login') })
      expect((await crane('push', layout, name)).stderr).toContain('401')
      expect((await crane('auth', 'login', cloud.host, '-u', 'ann', '-p', PASSWORD)).code).toBe(0)
      expect((await crane('push', layout, name)).code).toBe(0)
      expect((await crane('validate', '--remote', name)).code).toBe(0)

      scratch.write('file.bin', randomBytesOf('login', 8 * MiB))
      const file = `${cloud.host}/team/oras:1`
      expect((await oras('push', '--plain-http', file, 'file.bin')).code).toBe(0)
      expect((await oras('pull', '--plain-http', '-o', 'back', file)).code).toBe(0)
    })
  })

  it('leave no secret in any log', () => {
    for (const secret of [PASSWORD, basic.authorization, cloud.key, cloud.header, 'proof=', 'eyJhbGciOi'])
      expect(cloud.logs).not.toContain(secret)
  })
})
