import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { content, IMAGE } from '../support/images.ts'
import { Cloud } from './emulator/cloud.ts'
import { send } from './fixture.ts'
import { describeInCloud } from './requirements.ts'

const MiB = 2 ** 20

const codeIn = (document: string) => JSON.parse(document).errors[0].code

/** The emulated cloud must enforce the limits of the real one. Otherwise, the tests that use it prove nothing. */
describeInCloud({}, 'the emulated cloud', () => {
  let cloud: Cloud
  beforeAll(async () => {
    cloud = await Cloud.start()
  })
  afterAll(() => cloud?.stop())

  /** Sends a request to the API's own address, not through CloudFront. */
  const sendToApi = (method: string, path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${cloud.gateway.port}${path}`, {
      method,
      ...init,
      headers: { 'x-longshore-edge': cloud.header, ...init.headers },
    })
  const patch = (size: number) =>
    sendToApi('PATCH', '/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000', {
      body: Buffer.alloc(size, 255),
    })

  describe('as API Gateway', () => {
    it.each([
      ['an event of more than 6 MB', 5 * MiB],
      ['a body of more than 10 MB', 10 * MiB + 1],
    ])('refuses %s in its own error format', async (_, size) => {
      const response = await patch(size)
      expect([response.status, await response.text()]).toEqual([
        413,
        '{"message":"Request Entity Too Large"}',
      ])
    })

    it('accepts 4 MiB', async () => {
      const response = await patch(4 * MiB)
      expect([response.status, codeIn(await response.text())]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN'])
    })

    it('decodes the path', async () => {
      const response = await sendToApi('GET', '/v2/%61pp/tags/list')
      expect(codeIn(await response.text())).toBe('NAME_UNKNOWN')
    })

    it('refuses requests without the edge header', async () => {
      const response = await fetch(`http://127.0.0.1:${cloud.gateway.port}/v2/`)
      expect([response.status, codeIn(await response.text())]).toEqual([403, 'DENIED'])
    })
  })

  describe('as CloudFront', () => {
    it('refuses a URL of more than 8,192 bytes', async () => {
      expect((await send(cloud, 'GET', `/v2/${'x'.repeat(8_192)}`)).status).toBe(414)
    })

    it('replaces an edge header of the client', async () => {
      const headers = { 'x-longshore-edge': 'guess' }
      expect((await send(cloud, 'GET', '/v2/', { headers })).status).toBe(200)
    })

    it('gives no access to the bucket', async () => {
      for (const path of ['/blobs/x', '/direct/x/y', '/tails/x/0', '/registry/blobs/x']) {
        const { status, text } = await send(cloud, 'GET', path)
        expect([status, codeIn(text)]).toEqual([404, 'NOT_FOUND'])
      }
    })
  })

  describe.each(['counted', 'said'] as const)('with the Content-Length of HEAD responses: %s', headLength => {
    it('clients receive the true length', async () => {
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
      await send(other, 'POST', `/v2/a/blobs/uploads/?digest=${config}`, { body: Buffer.from('{}') })
      const headers = { 'content-type': IMAGE }
      const put = await send(other, 'PUT', '/v2/a/manifests/v1', { body: manifest.bytes, headers })
      const head = await send(other, 'HEAD', '/v2/a/manifests/v1')

      expect(put.status).toBe(201)
      expect(head.headers).toMatchObject({
        'content-length': String(manifest.size),
        'content-type': IMAGE,
        'docker-content-digest': manifest.digest,
      })
    })
  })

  describe('a pulled blob', () => {
    it('from S3 has no Docker-Content-Digest, because S3 does not know it', async () => {
      const blob = content('a/b', { pulled: 'from S3' })
      await send(cloud, 'POST', `/v2/a/blobs/uploads/?digest=${blob.digest}`, { body: blob.bytes })
      const first = await send(cloud, 'GET', `/v2/a/blobs/${blob.digest}`)
      const last = await fetch(`${cloud.origin}/v2/a/blobs/${blob.digest}`)

      expect([first.status, first.headers['docker-content-digest']]).toEqual([307, blob.digest])
      expect(last.headers.get('docker-content-digest')).toBeNull()
      expect(last.headers.get('content-type')).toBe('application/octet-stream')
    })

    it.each(['viewer', 'origin'] as const)(
      'through the edge has it if the viewer-response function receives the %s request',
      async viewerResponseRequest => {
        await using other = await Cloud.start({ pull: 'edge', viewerResponseRequest })
        const blob = content('a/b', { pulled: 'through the edge' })
        await send(other, 'POST', `/v2/a/blobs/uploads/?digest=${blob.digest}`, { body: blob.bytes })
        const path = `/v2/a/blobs/${blob.digest}`
        const first = await send(other, 'GET', path)
        const headers = { authorization: 'Basic dXNlcjpwYXNzd29yZA==', range: 'bytes=2-7' }
        const part = await send(other, 'GET', first.headers.location ?? '', { headers })
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
