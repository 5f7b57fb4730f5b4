import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CloudFrontSigner } from '../../lambda/aws/signed-urls.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { parseUploadId } from '../../lambda/protocol/reference.ts'
import { listKeys } from '../support/s3-bucket.ts'
import { Cloud } from './emulator/cloud.ts'
import { ask, beginUpload, layerOf, pull, putDirectly, putManifest } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

/** A digit that is not this one. */
const other = (digit: string) => (digit === '0' ? '1' : '0')
const uploadOf = (location: string) => /uploads\/([0-9a-f-]{36})/.exec(location)?.[1] ?? ''

describeInCloud({}, 'a blob on the direct road', () => {
  let cloud: Cloud
  beforeAll(async () => {
    cloud = await Cloud.start()
  })
  afterAll(() => cloud?.stop())
  beforeEach(() => {
    cloud.events.delivery = { delay: 0, copies: 1 }
  })

  const inBucket = (upload: string) => listKeys(cloud.s3.client, cloud.s3.settings.bucket, upload)

  it('is there when its event has come, and no byte of it came by us', async () => {
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
    ['its event comes twice', { delay: 0, copies: 2 }],
    ['its event is late', { delay: 1_500, copies: 1 }],
    ['its event is lost', { delay: 0, copies: 0 }],
  ])('can be pulled and pushed upon at once, also when %s', async (_, delivery) => {
    cloud.events.delivery = delivery
    const layer = layerOf()
    await putDirectly(cloud, await beginUpload(cloud, 'app'), layer)

    expect((await ask(cloud, 'HEAD', `/v2/app/blobs/${layer.digest}`)).status).toBe(307)
    expect((await putManifest(cloud, 'app', 'v1', layer)).status).toBe(201)
    await cloud.events.settled()
    expect(await pull(cloud, 'app', layer.digest)).toEqual(layer.bytes)
  })

  it('may be claimed by its event and by a manifest at the same time', async () => {
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
    expect(cloud.claim.logs).not.toContain('"level":"error"')
  })

  it('that is not what it says is refused by S3, and nothing can be claimed', async () => {
    const [layer, other] = [layerOf(), layerOf()]
    const location = await beginUpload(cloud, 'wrong')
    const refused = await putDirectly(cloud, location, { ...layer, digest: other.digest })
    await cloud.events.settled()

    expect(refused.status).toBe(400)
    expect(await inBucket(uploadOf(location))).toEqual([])
    for (const { digest } of [layer, other])
      expect((await ask(cloud, 'HEAD', `/v2/wrong/blobs/${digest}`)).status).toBe(404)
  })

  it('can still be brought by the session whose first attempt was refused', async () => {
    const [layer, other] = [layerOf(), layerOf()]
    const location = await beginUpload(cloud, 'again')
    await putDirectly(cloud, location, { ...layer, digest: other.digest })

    expect((await putDirectly(cloud, location, layer)).status).toBe(201)
  })

  describe('by an upload URL', () => {
    it('that was used before is refused, and the blob stays what it was', async () => {
      const [layer, other] = [layerOf(), layerOf()]
      const location = await beginUpload(cloud, 'replay')
      await putDirectly(cloud, location, layer)
      const again = await putDirectly(cloud, location, other)
      await cloud.events.settled()

      expect(again.status).toBe(412)
      expect(await pull(cloud, 'replay', layer.digest)).toEqual(layer.bytes)
      expect((await ask(cloud, 'HEAD', `/v2/replay/blobs/${other.digest}`)).status).toBe(404)
    })

    it.each([
      ['of another repository', (url: string) => url.replace('/altered/', '/other/')],
      ['of another session', (url: string) => url.replace(/(?<=uploads\/)./, other)],
      ['that ends later', (url: string) => url.replace(/(?<=direct=)./, '9')],
      ['with another signature', (url: string) => `${url.slice(0, -1)}${url.endsWith('A') ? 'B' : 'A'}`],
      ['without one', (url: string) => url.replace(/direct=.*/, 'direct=')],
    ])('%s is refused before a byte reaches the bucket', async (_, alter) => {
      const location = await beginUpload(cloud, 'altered')
      const before = cloud.cloudfront.passages.filter(({ origin }) => origin === 'bucket').length
      const refused = await putDirectly(cloud, alter(location), layerOf())

      expect(alter(location)).not.toBe(location)
      expect(refused.status).toBe(404)
      expect(JSON.parse(refused.text).errors[0].code).toBe('BLOB_UPLOAD_UNKNOWN')
      expect(cloud.cloudfront.passages.filter(({ origin }) => origin === 'bucket').length).toBe(before)
    })

    it('that has expired is refused', async () => {
      const upload = parseUploadId(uploadOf(await beginUpload(cloud, 'late')))
      const name = parseRepositoryName('late')
      const query = new CloudFrontSigner(cloud.key).directQuery(
        { upload, name },
        Math.floor(Date.now() / 1000) - 1,
      )
      const refused = await putDirectly(cloud, `/v2/late/blobs/uploads/${upload}?${query}`, layerOf())

      expect([refused.status, await inBucket(upload)]).toEqual([404, []])
    })
  })

  it('takes nothing of what a client says to S3 besides', async () => {
    const layer = layerOf()
    const location = await beginUpload(cloud, 'sly')
    const headers = {
      'x-amz-copy-source': `/registry/direct/${uploadOf(location)}/sly`,
      'x-amz-acl': 'public-read',
      'x-amz-meta-note': 'mine',
      'content-type': 'text/html',
    }
    const target = `${location}&digest=${layer.digest}&acl=&uploadId=1&partNumber=1`
    const done = await ask(cloud, 'PUT', target, { body: layer.bytes, headers })
    const answer = await fetch(`${cloud.origin}/v2/sly/blobs/${layer.digest}`)

    expect(done.status).toBe(201)
    expect(answer.headers.get('content-type')).toBe('application/octet-stream')
    expect(answer.headers.get('x-amz-meta-note')).toBeNull()
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(layer.bytes)
  })
})
