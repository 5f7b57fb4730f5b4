import { beforeEach, describe, expect, it } from 'vitest'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { DOCKER_IMAGE, DOCKER_LIST, digest, imageOf } from '../support/content.ts'
import { openRegistry, streamed, type TestRegistry } from '../support/registry.ts'

/**
 * The request sequences of real clients, taken from their sources, and the response features that each client requires.
 */

const LAYER_BYTES = 'the content of a layer'
const LAYER_DIGEST = digest(LAYER_BYTES)
const UPLOADS = '/v2/a/b/blobs/uploads/'
const ACCEPT = [DOCKER_IMAGE, DOCKER_LIST, OCI_IMAGE, OCI_INDEX].join(', ')

let registry: TestRegistry
beforeEach(async () => {
  registry = openRegistry()
  await registry.expectStatus(200, 'GET', '/v2/')
})

/** The layer size that Docker's distribution client derives from a Range header: `fmt.Sscanf(header, "%d-%d")`. */
function sizeByRange(range: string | undefined): number {
  const [, first, last] = /^(\d+)-(\d+)$/.exec(range ?? '') ?? []
  return Number(last) - Number(first) + 1
}

it('Docker with a graph driver: PATCH without Content-Length, sizes from Range and HEAD', async () => {
  for (const content of [LAYER_BYTES, '{}']) {
    const named = digest(content)
    await registry.expectStatus(404, 'HEAD', `/v2/a/b/blobs/${named}`)
    const begun = await registry.expectStatus(202, 'POST', UPLOADS)
    expect(begun.headers['docker-upload-uuid']).toBeTruthy()
    const location = begun.headers.location ?? ''
    const patched = await registry.expectStatus(202, 'PATCH', location, { body: streamed(content) })
    expect(sizeByRange(patched.headers.range)).toBe(content.length)
    await registry.expectStatus(201, 'PUT', `${patched.headers.location}?digest=${encodeURIComponent(named)}`)
    const { headers } = await registry.expectStatus(200, 'HEAD', `/v2/a/b/blobs/${named}`)
    expect(headers['content-length']).toBe(String(content.length))
  }
  const document = imageOf([LAYER_BYTES], { mediaType: DOCKER_IMAGE })
  const { headers } = await registry.putManifest('a/b', 'latest', document)
  expect(headers['docker-content-digest']).toBe(digest(document))

  const { headers: head } = await registry.head('/v2/a/b/manifests/latest', { accept: ACCEPT })
  expect(head).toMatchObject({
    'content-type': DOCKER_IMAGE,
    'content-length': String(document.length),
    'docker-content-digest': digest(document),
  })
  expect((await registry.get(`/v2/a/b/manifests/${digest(document)}`, { accept: ACCEPT })).text).toBe(
    document,
  )
  const resumed = await registry.get(`/v2/a/b/blobs/${LAYER_DIGEST}`, { range: 'bytes=5-' })
  expect([resumed.status, resumed.text]).toEqual([206, LAYER_BYTES.slice(5)])
})

it('containerd and Docker 29: Location is a path, 201 contains the digest', async () => {
  for (const content of [LAYER_BYTES, '{}']) {
    const { headers } = await registry.expectStatus(202, 'POST', UPLOADS)
    expect(headers.location).toMatch(/^\/v2\//) // it interprets anything else as a host
    expect(decodeURIComponent(headers.location ?? '')).toBe(headers.location) // it re-encodes the path
    const put = await registry.expectStatus(
      201,
      'PUT',
      `${headers.location}?digest=${digest(content)}&ns=localhost`,
      {
        body: content,
      },
    )
    expect(put.headers['docker-content-digest']).toBe(digest(content))
  }
  await registry.pushManifest('a/b', 'latest', imageOf([LAYER_BYTES]))
  const { headers } = await registry.expectStatus(200, 'HEAD', '/v2/a/b/manifests/latest', {
    headers: { accept: `${ACCEPT}, */*` },
  })
  expect(headers['content-length']).not.toBe('0')
  expect(headers['docker-content-digest']).toBe(digest(imageOf([LAYER_BYTES])))
  const first = await registry.get(`/v2/a/b/blobs/${LAYER_DIGEST}`, {
    range: 'bytes=0-',
    'accept-encoding': 'zstd, gzip, deflate',
  })
  expect([first.status, first.text]).toEqual([206, LAYER_BYTES])
})

it('skopeo, podman and buildah: a failed mount is cancelled before a new upload', async () => {
  const mount = await registry.expectStatus(202, 'POST', `${UPLOADS}?mount=${LAYER_DIGEST}&from=other`)
  await registry.expectStatus(204, 'DELETE', mount.headers.location ?? '')
  const begun = await registry.expectStatus(202, 'POST', UPLOADS)
  const patched = await registry.expectStatus(202, 'PATCH', begun.headers.location ?? '', {
    body: LAYER_BYTES,
  })
  await registry.expectStatus(201, 'PUT', `${patched.headers.location}?digest=${LAYER_DIGEST}`)
  const { headers } = await registry.expectStatus(200, 'HEAD', `/v2/a/b/blobs/${LAYER_DIGEST}`)
  expect(headers['content-length']).toBe(String(LAYER_BYTES.length)) // becomes the size in the manifest
})

it('podman with zstd:chunked: several ranges are sent in the order of the request', async () => {
  await registry.pushBlob('a/b', LAYER_BYTES)
  const response = await registry.get(`/v2/a/b/blobs/${LAYER_DIGEST}`, { range: 'bytes=0-3,8-11' })
  expect(response.status).toBe(206)
  expect(response.headers['content-type']).toMatch(/^multipart\/byteranges; boundary=/)
  expect(response.text.indexOf(LAYER_BYTES.slice(0, 4))).toBeLessThan(
    response.text.indexOf(LAYER_BYTES.slice(8, 12)),
  )
})

it('crane, ko and cosign: PATCH 202 with Location, PUT 201, HEAD with type, length and digest', async () => {
  const { headers } = await registry.expectStatus(202, 'POST', UPLOADS)
  const patched = await registry.expectStatus(202, 'PATCH', headers.location ?? '', { body: LAYER_BYTES })
  await registry.expectStatus(201, 'PUT', `${patched.headers.location}?digest=${LAYER_DIGEST}`)
  await registry.pushBlob('a/b', '{}')
  await registry.pushManifest('a/b', `sha256-${'a'.repeat(64)}.sig`, imageOf([LAYER_BYTES]))
  const signature = await registry.head(`/v2/a/b/manifests/sha256-${'a'.repeat(64)}.sig`)
  for (const name of ['content-type', 'content-length', 'docker-content-digest'])
    expect(signature.headers[name]).toBeTruthy()
})

it('oras and helm: Location has the same host, Accept-Ranges announces ranges', async () => {
  registry = openRegistry({ origin: 'https://registry.example:8443' })
  const { headers } = await registry.expectStatus(202, 'POST', UPLOADS)
  expect(new URL(headers.location ?? '').host).toBe('registry.example:8443')
  await registry.pushBlob('a/b', LAYER_BYTES)
  expect((await registry.get(`/v2/a/b/blobs/${LAYER_DIGEST}`)).headers['accept-ranges']).toBe('bytes')
})

describe('regctl', () => {
  it('mounts without a source repository, and uses the session that begins instead', async () => {
    const { headers } = await registry.expectStatus(202, 'POST', `${UPLOADS}?mount=${LAYER_DIGEST}`)
    await registry.expectStatus(201, 'PUT', `${headers.location}?digest=${LAYER_DIGEST}`, {
      body: LAYER_BYTES,
    })
  })

  it('falls back to chunks when its PUT fails, with the digest still in the URL', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(400, 'PUT', `${location}?digest=${LAYER_DIGEST}`, { body: 'cut short' })
    for (let at = 0; at < LAYER_BYTES.length; at += 10) {
      const body = LAYER_BYTES.slice(at, at + 10)
      const contentRange = `${at}-${at + body.length - 1}`
      const headers = { 'content-range': contentRange }
      const response = await registry.expectStatus(202, 'PATCH', `${location}?digest=${LAYER_DIGEST}`, {
        headers,
        body,
      })
      expect(sizeByRange(response.headers.range)).toBe(at + body.length)
    }
    await registry.expectStatus(201, 'PUT', `${location}?digest=${LAYER_DIGEST}`)
  })

  it('continues after a 416 with Location and Range', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: LAYER_BYTES.slice(0, 7) })
    const repeated = { headers: { 'content-range': '0-6' }, body: LAYER_BYTES.slice(0, 7) }
    const { headers } = await registry.expectStatus(416, 'PATCH', location, repeated)
    const at = sizeByRange(headers.range)
    const remaining = {
      headers: { 'content-range': `${at}-${LAYER_BYTES.length - 1}` },
      body: LAYER_BYTES.slice(at),
    }
    await registry.expectStatus(202, 'PATCH', headers.location ?? '', remaining)
    await registry.expectStatus(201, 'PUT', `${location}?digest=${LAYER_DIGEST}`)
  })
})

it('jib: no request has a Content-Length, including manifests', async () => {
  for (const content of [LAYER_BYTES, '{}']) {
    const { headers } = await registry.expectStatus(202, 'POST', UPLOADS)
    expect(headers.location).not.toContain(', ') // requires a single Location
    await registry.expectStatus(202, 'PATCH', headers.location ?? '', { body: streamed(content) })
    await registry.expectStatus(201, 'PUT', `${headers.location}?digest=${digest(content)}`)
  }
  const headers = { 'content-type': OCI_IMAGE }
  const body = streamed(imageOf([LAYER_BYTES]))
  await registry.expectStatus(201, 'PUT', '/v2/a/b/manifests/latest', { headers, body })
})

it('zb: only the path of the first Location is kept', async () => {
  const { headers } = await registry.expectStatus(202, 'POST', UPLOADS)
  const { pathname } = new URL(headers.location ?? '', 'http://localhost:5000')
  await registry.expectStatus(202, 'PATCH', pathname)
  await registry.expectStatus(202, 'PATCH', pathname, { body: LAYER_BYTES })
  await registry.expectStatus(201, 'PUT', `${pathname}?digest=${LAYER_DIGEST}`)
  await registry.pushBlob('a/b', '{}')
  const named = await registry.pushManifest('a/b', 'latest', imageOf([LAYER_BYTES]))
  for (const method of ['GET', 'HEAD']) await registry.expectStatus(200, method, `/v2/a/b/manifests/latest`)
  await registry.expectStatus(202, 'DELETE', `/v2/a/b/manifests/${named}`)
  await registry.expectStatus(202, 'DELETE', `/v2/a/b/blobs/${LAYER_DIGEST}`)
})

it('BuildKit: one manifest is pushed once per tag', async () => {
  for (const blob of ['{}', LAYER_BYTES]) await registry.pushBlob('a/b', blob)
  for (const tag of ['v1', 'v1.2', 'latest']) await registry.pushManifest('a/b', tag, imageOf([LAYER_BYTES]))
  expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(['latest', 'v1', 'v1.2'])
})
