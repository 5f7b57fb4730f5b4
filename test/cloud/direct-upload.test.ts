import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CloudFrontSigner } from '../../lambda/aws/signed-urls.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { parseUploadId } from '../../lambda/protocol/reference.ts'
import { listKeys } from '../support/s3-bucket.ts'
import { Cloud } from './emulator/cloud.ts'
import { beginUpload, layerOf, pull, putDirectly, putManifest, send } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

/** A different digit. */
const otherDigit = (digit: string) => (digit === '0' ? '1' : '0')
const uploadOf = (location: string) => /uploads\/([0-9a-f-]{36})/.exec(location)?.[1] ?? ''

describeInCloud({}, 'a direct upload', () => {
  let cloud: Cloud
  beforeAll(async () => {
    cloud = await Cloud.start()
  })
  afterAll(() => cloud?.stop())
  beforeEach(() => {
    cloud.events.delivery = { delay: 0, copies: 1 }
  })

  const inBucket = (upload: string) => listKeys(cloud.s3.client, cloud.s3.settings.bucket, upload)

  it('makes the blob available after its event, and bypasses Lambda', async () => {
    const before = cloud.api.payloads.length
    const layer = layerOf()
    const done = await putDirectly(cloud, await beginUpload(cloud, 'app'), layer)
    await cloud.events.settled()

    expect(done.status).toBe(201)
    expect(done.headers).toMatchObject({
      location: `/v2/app/blobs/${layer.digest}`,
      'docker-content-digest': layer.digest,
    })
    expect(await pull(cloud, 'app', layer.digest)).toEqual(layer.bytes)
    expect(Math.max(...cloud.api.payloads.slice(before))).toBeLessThan(10_000)
  })

  it.each([
    ['its event is delivered twice', { delay: 0, copies: 2 }],
    ['its event is late', { delay: 1_500, copies: 1 }],
    ['its event is lost', { delay: 0, copies: 0 }],
  ])('can be pulled and referenced by a manifest at once when %s', async (_, delivery) => {
    cloud.events.delivery = delivery
    const layer = layerOf()
    await putDirectly(cloud, await beginUpload(cloud, 'app'), layer)

    expect((await send(cloud, 'HEAD', `/v2/app/blobs/${layer.digest}`)).status).toBe(307)
    expect((await putManifest(cloud, 'app', 'v1', layer)).status).toBe(201)
    await cloud.events.settled()
    expect(await pull(cloud, 'app', layer.digest)).toEqual(layer.bytes)
  })

  it('can be adopted by its event and by two manifests at the same time', async () => {
    for (let round = 0; round < 10; round++) {
      const layer = layerOf()
      cloud.events.delivery = { delay: round * 5, copies: 2 }
      await putDirectly(cloud, await beginUpload(cloud, 'race'), layer)
      const [first, second] = await Promise.all([
        putManifest(cloud, 'race', `a${round}`, layer),
        putManifest(cloud, 'race', `b${round}`, layer),
      ])
      await cloud.events.settled()

      expect([first?.status, second?.status]).toEqual([201, 201])
      expect(await pull(cloud, 'race', layer.digest)).toEqual(layer.bytes)
    }
    expect(cloud.s3Event.logs).not.toContain('"level":"error"')
  })

  it('with another digest than its content is refused by S3 and leaves nothing to adopt', async () => {
    const [layer, other] = [layerOf(), layerOf()]
    const location = await beginUpload(cloud, 'wrong')
    const refused = await putDirectly(cloud, location, { ...layer, digest: other.digest })
    await cloud.events.settled()

    expect(refused.status).toBe(400)
    expect(await inBucket(uploadOf(location))).toEqual([])
    for (const { digest } of [layer, other])
      expect((await send(cloud, 'HEAD', `/v2/wrong/blobs/${digest}`)).status).toBe(404)
  })

  it('succeeds after a refused attempt in the same session', async () => {
    const [layer, other] = [layerOf(), layerOf()]
    const location = await beginUpload(cloud, 'again')
    await putDirectly(cloud, location, { ...layer, digest: other.digest })

    expect((await putDirectly(cloud, location, layer)).status).toBe(201)
  })

  describe('to an upload URL', () => {
    it('that was used before is refused and leaves the blob unchanged', async () => {
      const [layer, other] = [layerOf(), layerOf()]
      const location = await beginUpload(cloud, 'replay')
      await putDirectly(cloud, location, layer)
      const again = await putDirectly(cloud, location, other)
      await cloud.events.settled()

      expect(again.status).toBe(412)
      expect(await pull(cloud, 'replay', layer.digest)).toEqual(layer.bytes)
      expect((await send(cloud, 'HEAD', `/v2/replay/blobs/${other.digest}`)).status).toBe(404)
    })

    it.each([
      ['of another repository', (url: string) => url.replace('/altered/', '/other/')],
      ['of another session', (url: string) => url.replace(/(?<=uploads\/)./, otherDigit)],
      ['that expires later', (url: string) => url.replace(/(?<=direct=)./, '9')],
      ['with another signature', (url: string) => `${url.slice(0, -1)}${url.endsWith('A') ? 'B' : 'A'}`],
      ['without a signature', (url: string) => url.replace(/direct=.*/, 'direct=')],
    ])('%s is refused before a byte reaches the bucket', async (_, alter) => {
      const location = await beginUpload(cloud, 'altered')
      const before = cloud.cloudfront.requests.filter(({ origin }) => origin === 'bucket').length
      const refused = await putDirectly(cloud, alter(location), layerOf())

      expect(alter(location)).not.toBe(location)
      expect(refused.status).toBe(404)
      expect(JSON.parse(refused.text).errors[0].code).toBe('BLOB_UPLOAD_UNKNOWN')
      expect(cloud.cloudfront.requests.filter(({ origin }) => origin === 'bucket').length).toBe(before)
    })

    it('that has expired is refused', async () => {
      const upload = parseUploadId(uploadOf(await beginUpload(cloud, 'late')))
      const name = parseRepositoryName('late')
      const query = new CloudFrontSigner(cloud.edgeKey).directQuery(
        { upload, name },
        Math.floor(Date.now() / 1000) - 1,
      )
      const refused = await putDirectly(cloud, `/v2/late/blobs/uploads/${upload}?${query}`, layerOf())

      expect([refused.status, await inBucket(upload)]).toEqual([404, []])
    })
  })

  it('forwards no other S3 parameters of the client', async () => {
    const layer = layerOf()
    const location = await beginUpload(cloud, 'sly')
    const headers = {
      'x-amz-copy-source': `/registry/direct/${uploadOf(location)}/sly`,
      'x-amz-acl': 'public-read',
      'x-amz-meta-note': 'mine',
      'content-type': 'text/html',
    }
    const target = `${location}&digest=${layer.digest}&acl=&uploadId=1&partNumber=1`
    const done = await send(cloud, 'PUT', target, { body: layer.bytes, headers })
    const response = await fetch(`${cloud.origin}/v2/sly/blobs/${layer.digest}`)

    expect(done.status).toBe(201)
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(response.headers.get('x-amz-meta-note')).toBeNull()
    expect(Buffer.from(await response.arrayBuffer())).toEqual(layer.bytes)
  })
})
