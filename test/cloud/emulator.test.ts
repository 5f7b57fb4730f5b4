import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { content, IMAGE } from '../support/images.ts'
import { Cloud } from './emulator/cloud.ts'
import { ask } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20

const codeIn = (document: string) => JSON.parse(document).errors[0].code

/** That the emulated cloud is as strict as the real one is known to be. What is not as strict proves nothing. */
describeInCloud({}, 'the emulated cloud', () => {
  let cloud: Cloud
  beforeAll(async () => {
    cloud = await Cloud.start()
  })
  afterAll(() => cloud?.stop())

  /** Past CloudFront, at the address of the API. */
  const askApi = (method: string, path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${cloud.gateway.port}${path}`, {
      method,
      ...init,
      headers: { 'x-longshore-edge': cloud.header, ...init.headers },
    })
  const patch = (size: number) =>
    askApi('PATCH', '/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000', {
      body: Buffer.alloc(size, 255),
    })

  describe('as API Gateway', () => {
    it.each([
      ['an event of more than 6 MB', 5 * MiB],
      ['a body of more than 10 MB', 10 * MiB + 1],
    ])('refuses %s in words of its own', async (_, size) => {
      const answer = await patch(size)
      expect([answer.status, await answer.text()]).toEqual([413, '{"message":"Request Entity Too Large"}'])
    })

    it('lets 4 MiB through', async () => {
      const answer = await patch(4 * MiB)
      expect([answer.status, codeIn(await answer.text())]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN'])
    })

    it('hands on the path decoded', async () => {
      const answer = await askApi('GET', '/v2/%61pp/tags/list')
      expect(codeIn(await answer.text())).toBe('NAME_UNKNOWN')
    })

    it('lets nobody in who does not come by the edge', async () => {
      const answer = await fetch(`http://127.0.0.1:${cloud.gateway.port}/v2/`)
      expect([answer.status, codeIn(await answer.text())]).toEqual([403, 'DENIED'])
    })
  })

  describe('as CloudFront', () => {
    it('refuses a URL of more than 8,192 bytes', async () => {
      expect((await ask(cloud, 'GET', `/v2/${'x'.repeat(8_192)}`)).status).toBe(414)
    })

    it("does not let a client speak with the edge's voice", async () => {
      const headers = { 'x-longshore-edge': 'guess' }
      expect((await ask(cloud, 'GET', '/v2/', { headers })).status).toBe(200)
    })

    it('lets nobody into the bucket', async () => {
      for (const path of ['/blobs/x', '/direct/x/y', '/tails/x/0', '/registry/blobs/x']) {
        const { status, text } = await ask(cloud, 'GET', path)
        expect([status, codeIn(text)]).toEqual([404, 'NOT_FOUND'])
      }
    })
  })

  describe.each(['counted', 'said'] as const)(
    'where API Gateway tells the length of a HEAD that is %s',
    headLength => {
      it('clients hear the true one', async () => {
        await using other = await Cloud.start({ headLength })
        const manifest = content(IMAGE, {
          schemaVersion: 2,
          mediaType: IMAGE,
          config: {
            mediaType: 'application/vnd.oci.empty.v1+json',
            digest: `sha256:${createHash('sha256').update('{}').digest('hex')}`,
            size: 2,
          },
          layers: [],
        })
        const config = `sha256:${createHash('sha256').update('{}').digest('hex')}`
        await ask(other, 'POST', `/v2/a/blobs/uploads/?digest=${config}`, { body: Buffer.from('{}') })
        const headers = { 'content-type': IMAGE }
        const put = await ask(other, 'PUT', '/v2/a/manifests/v1', { body: manifest.bytes, headers })
        const head = await ask(other, 'HEAD', '/v2/a/manifests/v1')

        expect(put.status).toBe(201)
        expect(head.headers).toMatchObject({
          'content-length': String(manifest.size),
          'content-type': IMAGE,
          'docker-content-digest': manifest.digest,
        })
      })
    },
  )

  describe('on the way of a pull', () => {
    it('from S3, the answer has no Docker-Content-Digest, which S3 cannot say', async () => {
      const blob = content('a/b', { pulled: 'from S3' })
      await ask(cloud, 'POST', `/v2/a/blobs/uploads/?digest=${blob.digest}`, { body: blob.bytes })
      const first = await ask(cloud, 'GET', `/v2/a/blobs/${blob.digest}`)
      const last = await fetch(`${cloud.origin}/v2/a/blobs/${blob.digest}`)

      expect([first.status, first.headers['docker-content-digest']]).toEqual([307, blob.digest])
      expect(last.headers.get('docker-content-digest')).toBeNull()
      expect(last.headers.get('content-type')).toBe('application/octet-stream')
    })

    it.each(['viewer', 'origin'] as const)(
      'through the edge it has it, whichever request CloudFront shows (%s)',
      async shows => {
        await using other = await Cloud.start({ pull: 'edge', shows })
        const blob = content('a/b', { pulled: 'through the edge' })
        await ask(other, 'POST', `/v2/a/blobs/uploads/?digest=${blob.digest}`, { body: blob.bytes })
        const path = `/v2/a/blobs/${blob.digest}`
        const first = await ask(other, 'GET', path)
        const headers = { authorization: 'Basic dXNlcjpwYXNzd29yZA==', range: 'bytes=2-7' }
        const part = await ask(other, 'GET', first.headers.location ?? '', { headers })
        const head = await fetch(`${other.origin}${path}`, { method: 'HEAD' })

        expect(first.headers.location).toMatch(/^\/pull\//)
        expect([part.status, part.text]).toEqual([206, 'pulled'])
        expect(part.headers['docker-content-digest']).toBe(blob.digest)
        expect(head.headers.get('docker-content-digest')).toBe(blob.digest)
        expect(head.headers.get('content-length')).toBe(String(blob.size))
      },
    )
  })
})
