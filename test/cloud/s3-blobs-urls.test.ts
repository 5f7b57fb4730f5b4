import { createHash, randomUUID } from 'node:crypto'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, it } from 'vitest'
import type { RepositoryName } from '../../lambda/protocol/name.ts'
import type { UploadId } from '../../lambda/protocol/reference.ts'
import { directObject, parseDirectObject } from '../../lambda/store/direct-object.ts'
import { S3Blobs } from '../../lambda/store/s3/blobs.ts'
import { collect, digestBytes } from '../support/bytes.ts'
import { describeWithS3 } from './s3-blobs-fixture.ts'

describeWithS3('S3Blobs', fixture => {
  const { open, begin, append } = fixture

  describe('an object that a client wrote', () => {
    const object = () =>
      directObject({ name: 'team/app' as RepositoryName, upload: randomUUID() as UploadId })
    const put = (key: string, body: string, checksum?: string) =>
      fixture.server.client.send(
        new PutObjectCommand({
          Bucket: fixture.server.settings.bucket,
          Key: key,
          Body: body,
          ChecksumSHA256: checksum,
        }),
      )

    it('is found with the digest that S3 verified', async () => {
      const key = object()
      expect(await open().findUploaded(key)).toBeUndefined()
      await put(key, 'direct', createHash('sha256').update('direct').digest('base64'))

      expect(await open().findUploaded(key)).toEqual({ size: 6, digest: digestBytes('sha256', 'direct') })
      expect(await collect(await open().read(key))).toEqual(Buffer.from('direct'))
    })

    it('has no digest if the client sent none to S3', async () => {
      const key = object()
      await put(key, 'direct')

      expect(await open().findUploaded(key)).toEqual({ size: 6 })
    })

    it('is separate from a session of the same id', async () => {
      const key = object()
      const { upload = '' } = parseDirectObject(key) ?? {}
      await put(key, 'direct')
      const draft = await append(open(), open().begin(upload, 'sha256'), 'by us')
      await open().commit(draft)
      await open().discard(draft)

      expect(await collect(await open().read(key))).toEqual(Buffer.from('direct'))
      await open().delete(key)
      expect(await open().stat(key)).toBeUndefined()
    })

    it('can be downloaded by a presigned URL', async () => {
      const key = object()
      await put(key, 'direct')
      const digest = digestBytes('sha256', 'direct')
      const url = await open().presign(key, { method: 'GET', digest, mediaType: 'a/b', seconds: 60 })

      expect(await (await fetch(url)).text()).toBe('direct')
    })
  })

  describe('presigned URLs', () => {
    const CONTENT = 'linked'
    const digest = digestBytes('sha256', CONTENT)
    const request = { digest, mediaType: 'application/octet-stream', seconds: 60 }
    let store: S3Blobs
    let object: string
    beforeEach(async () => {
      store = open()
      const draft = await append(store, begin(store), CONTENT)
      await store.commit(draft)
      object = draft.object
    })

    it('return the bytes, or a range of them, with the requested type', async () => {
      const url = await store.presign(object, { method: 'GET', ...request })
      const all = await fetch(url)
      const part = await fetch(url, { headers: { range: 'bytes=1-2' } })

      expect(all.headers.get('content-type')).toBe('application/octet-stream')
      expect(await all.text()).toBe(CONTENT)
      expect([part.status, await part.text()]).toEqual([206, 'in'])
    })

    it('return the size to HEAD', async () => {
      const url = await store.presign(object, { method: 'HEAD', ...request })
      const { status, headers } = await fetch(url, { method: 'HEAD' })

      expect(status).toBe(200)
      expect(headers.get('content-length')).toBe(String(CONTENT.length))
    })

    it.each(['GET', 'HEAD'] as const)('are valid for one method: not %s', async other => {
      const url = await store.presign(object, { method: other === 'GET' ? 'HEAD' : 'GET', ...request })

      expect((await fetch(url, { method: other })).status).toBe(403)
    })

    it.each([
      ['another object', (url: string) => url.replace(object, 'other')],
      ['another type', (url: string) => url.replace('octet-stream', 'html')],
      ['a longer life', (url: string) => url.replace('Expires=60', 'Expires=6000')],
      ['an added parameter', (url: string) => `${url}&digest=x`],
    ])('are refused with %s', async (_, altered) => {
      const url = await store.presign(object, { method: 'GET', ...request })

      expect((await fetch(altered(url))).status).toBe(403)
    })

    it('expire', async () => {
      const url = await store.presign(object, { method: 'GET', ...request, seconds: 1 })
      await expect.poll(async () => (await fetch(url)).status, { timeout: 5_000 }).toBe(403)
    })

    it('expire with the credentials that signed them', async () => {
      const credentials = await fixture.server.settings.credentials()
      const expiring = (ms: number) =>
        new S3Blobs({
          ...fixture.server.settings,
          credentials: async () => ({ ...credentials, expiration: new Date(Date.now() + ms) }),
        })
      const life = async (ms: number) =>
        Number(
          /X-Amz-Expires=(\d+)/.exec(await expiring(ms).presign(object, { method: 'GET', ...request }))?.[1],
        )

      expect(await life(3_600_000)).toBe(60)
      expect(await life(20_500)).toBe(20)
      expect(await life(-1)).toBe(1)
    })
  })
})
