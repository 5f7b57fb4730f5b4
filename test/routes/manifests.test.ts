import { beforeEach, describe, expect, it } from 'vitest'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { DOCKER_IMAGE, DOCKER_LIST, digest, imageOf, indexOf } from '../support/content.ts'
import { openRegistry, streamed, type TestRegistry } from '../support/registry.ts'

const MANIFESTS = '/v2/a/b/manifests'
const ABSENT = digest('absent')

let registry: TestRegistry
let image: Awaited<ReturnType<TestRegistry['pushImage']>>
beforeEach(async () => {
  registry = openRegistry()
  image = await registry.pushImage('a/b', 'latest')
})

/** The tag and the digest of the same manifest. */
const references = () => ['latest', image.digest]

describe('PUT of a manifest', () => {
  it.each(['tag', 'digest'])('by %s returns its URL and its digest', async kind => {
    const document = imageOf(['layer'], { annotations: { kind } })
    const reference = kind === 'tag' ? 'v1' : digest(document)
    const { status, headers } = await registry.putManifest('a/b', reference, document)
    expect(status).toBe(201)
    expect(headers).toMatchObject({
      location: `${MANIFESTS}/${digest(document)}`,
      'docker-content-digest': digest(document),
      'content-length': '0',
    })
    expect(headers).not.toHaveProperty('oci-subject')
    expect(headers).not.toHaveProperty('oci-tag')
    expect((await registry.get(headers.location ?? '')).text).toBe(document)
  })

  it('returns an absolute URL when the origin is configured', async () => {
    registry = openRegistry({ origin: 'https://registry.example' })
    await registry.pushBlob('a/b', '{}')
    const { headers } = await registry.putManifest('a/b', 'v1', imageOf())
    expect(headers.location).toBe(`https://registry.example${MANIFESTS}/${digest(imageOf())}`)
  })

  it('accepts a body without Content-Length, as jib sends it', async () => {
    const headers = { 'content-type': OCI_IMAGE }
    const body = streamed(image.document.slice(0, 50), image.document.slice(50))
    await registry.expectStatus(201, 'PUT', `${MANIFESTS}/v1`, { headers, body })
    expect((await registry.get(`${MANIFESTS}/v1`)).text).toBe(image.document)
  })

  it('by a sha512 digest stores it under that digest, also for its tags', async () => {
    const named = digest(image.document, 'sha512')
    const { headers } = await registry.putManifest('a/b', `${named}?tag=long`, image.document)
    expect(headers['docker-content-digest']).toBe(named)
    for (const reference of [named, 'long'])
      for (const method of ['GET', 'HEAD']) {
        const response = await registry.expectStatus(200, method, `${MANIFESTS}/${reference}`)
        expect(response.headers['docker-content-digest']).toBe(named)
      }
  })

  it('may be repeated, by tag and by digest', async () => {
    for (const reference of [...references(), ...references()])
      expect((await registry.putManifest('a/b', reference, image.document)).status).toBe(201)
  })

  it('moves a tag to another manifest, and keeps the first manifest', async () => {
    const other = await registry.pushImage('a/b', 'latest', ['other'])
    expect((await registry.get(`${MANIFESTS}/latest`)).text).toBe(other.document)
    expect((await registry.get(`${MANIFESTS}/${image.digest}`)).text).toBe(image.document)
  })

  it('may move a tag back and forth', async () => {
    const other = await registry.pushImage('a/b', 'other', ['other'])
    for (const { document } of [other, image, other, image]) {
      await registry.pushManifest('a/b', 'latest', document)
      expect((await registry.get(`${MANIFESTS}/latest`)).text).toBe(document)
    }
  })

  it('rejects the digest of other bytes, and returns the actual digest', async () => {
    const response = await registry.putManifest('a/b', image.digest, `${image.document}  `)
    expect([response.status, response.code]).toEqual([400, 'DIGEST_INVALID'])
    expect(response.detail).toEqual({ said: image.digest, actual: digest(`${image.document}  `) })
  })

  it.each([
    ['sha256:baddigeststring', 'DIGEST_INVALID'],
    [`sha384:${'a'.repeat(96)}`, 'DIGEST_INVALID'],
    ['.hidden', 'TAG_INVALID'],
    ['-', 'TAG_INVALID'],
    ['a'.repeat(129), 'TAG_INVALID'],
    ['a%20b', 'TAG_INVALID'],
  ])('rejects the reference %s', async (reference, code) => {
    const response = await registry.putManifest('a/b', reference, image.document)
    expect([response.status, response.code]).toEqual([400, code])
  })

  it('rejects an invalid repository name', async () => {
    const response = await registry.putManifest('A/b', 'latest', image.document)
    expect([response.status, response.code]).toEqual([400, 'NAME_INVALID'])
  })
})

describe.each(['GET', 'HEAD'])('%s of a manifest', method => {
  it('returns the same headers by tag and by digest', async () => {
    for (const reference of references()) {
      const { headers } = await registry.expectStatus(200, method, `${MANIFESTS}/${reference}`)
      expect(headers).toMatchObject({
        'content-type': OCI_IMAGE,
        'content-length': String(image.document.length),
        'docker-content-digest': image.digest,
        etag: `"${image.digest}"`,
      })
    }
  })

  it('that does not exist is MANIFEST_UNKNOWN', async () => {
    for (const path of [`${MANIFESTS}/other`, `${MANIFESTS}/${ABSENT}`, `/v2/a/manifests/latest`]) {
      const { code } = await registry.expectStatus(404, method, path)
      if (method === 'GET') expect(code).toBe('MANIFEST_UNKNOWN')
    }
  })

  it('by a malformed tag is 404', async () => {
    await registry.expectStatus(404, method, `${MANIFESTS}/.hidden`)
  })

  it('by a malformed digest is 400', async () => {
    await registry.expectStatus(400, method, `${MANIFESTS}/sha256:baddigeststring`)
  })

  it('with the ETag in If-None-Match is 304', async () => {
    for (const reference of references()) {
      const headers = { 'if-none-match': `"${image.digest}"` }
      const response = await registry.expectStatus(304, method, `${MANIFESTS}/${reference}`, { headers })
      expect(response.headers.etag).toBe(`"${image.digest}"`)
    }
  })

  it('with the ETag of the previous manifest of a tag is 200', async () => {
    await registry.pushImage('a/b', 'latest', ['other'])
    const headers = { 'if-none-match': `"${image.digest}"` }
    await registry.expectStatus(200, method, `${MANIFESTS}/latest`, { headers })
  })
})

it('GET of a manifest returns the pushed bytes', async () => {
  for (const reference of references())
    expect((await registry.get(`${MANIFESTS}/${reference}`)).text).toBe(image.document)
})

describe('content negotiation', () => {
  it.each([
    undefined,
    '*/*',
    'application/*',
    OCI_IMAGE,
    `${OCI_INDEX}, ${OCI_IMAGE}`,
    `${DOCKER_LIST},${OCI_IMAGE};q=0.5`,
  ])('returns a tagged manifest for Accept: %s', async accept => {
    for (const method of ['GET', 'HEAD']) {
      const headers: Record<string, string> = accept === undefined ? {} : { accept }
      await registry.expectStatus(200, method, `${MANIFESTS}/latest`, { headers })
    }
  })

  it.each([OCI_INDEX, DOCKER_IMAGE, 'application/json', `*/*, ${OCI_IMAGE};q=0`])(
    'returns 404 for a tagged manifest and Accept: %s',
    async accept => {
      for (const method of ['GET', 'HEAD'])
        await registry.expectStatus(404, method, `${MANIFESTS}/latest`, { headers: { accept } })
      const { code, detail } = await registry.get(`${MANIFESTS}/latest`, { accept })
      expect([code, detail?.mediaType]).toEqual(['MANIFEST_UNKNOWN', OCI_IMAGE])
    },
  )

  it('ignores Accept when the manifest is requested by digest', async () => {
    const headers = { accept: DOCKER_IMAGE }
    const response = await registry.expectStatus(200, 'GET', `${MANIFESTS}/${image.digest}`, { headers })
    expect(response.headers['content-type']).toBe(OCI_IMAGE)
  })
})

describe('multi-tag push', () => {
  const put = (reference: string, query: string) =>
    registry.putManifest('a/b', `${reference}?${query}`, image.document)

  it('by digest sets all tags, and returns them', async () => {
    const { status, headers } = await put(image.digest, 'tag=v1&tag=v1.0&tag=v1.0.0')
    expect([status, headers['oci-tag']]).toEqual([201, 'v1, v1.0, v1.0.0'])
    for (const tag of ['v1', 'v1.0', 'v1.0.0'])
      expect((await registry.head(`${MANIFESTS}/${tag}`)).headers['docker-content-digest']).toBe(image.digest)
  })

  it('by tag sets the other tags too', async () => {
    expect((await put('latest', 'tag=v1&tag=latest')).status).toBe(201)
    expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(['latest', 'v1'])
  })

  it('returns a repeated tag once', async () => {
    expect((await put(image.digest, 'tag=v1&tag=v1')).headers['oci-tag']).toBe('v1')
  })

  it('moves existing tags', async () => {
    await registry.pushImage('a/b', 'v1', ['other'])
    await put(image.digest, 'tag=v1&tag=v2')
    for (const tag of ['v1', 'v2'])
      expect((await registry.get(`${MANIFESTS}/${tag}`)).text).toBe(image.document)
  })

  const tags = (count: number) => Array.from({ length: count }, (_, i) => `tag=t${i}`).join('&')

  it('accepts 40 tags, for an existing and for a new manifest', async () => {
    expect((await put(image.digest, tags(40))).status).toBe(201)
    const fresh = imageOf(['layer'], { annotations: { fresh: 'yes' } })
    expect((await registry.putManifest('a/b', `${digest(fresh)}?${tags(40)}`, fresh)).status).toBe(201)
    for (const tag of ['t0', 't20', 't39'])
      expect((await registry.get(`${MANIFESTS}/${tag}`)).text).toBe(fresh)
  })

  it('rejects 41 tags, and sets none of them', async () => {
    const response = await put(image.digest, tags(41))
    expect([response.status, response.code]).toEqual([414, 'URI_TOO_LONG'])
    expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(['latest'])
  })

  it.each(['tag=v1&tag=-', 'tag=', 'tag=a%2fb', 'tag=v1,v2', `tag=${'a'.repeat(129)}`])(
    'rejects %s, and sets none of the tags',
    async query => {
      const response = await put(image.digest, query)
      expect([response.status, response.code]).toEqual([400, 'TAG_INVALID'])
      expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(['latest'])
    },
  )
})

describe('DELETE by tag', () => {
  it('deletes the tag immediately, and nothing else', async () => {
    await registry.pushManifest('a/b', 'v1', image.document)
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/latest`)
    for (const method of ['GET', 'HEAD', 'DELETE'])
      await registry.expectStatus(404, method, `${MANIFESTS}/latest`)
    for (const reference of ['v1', image.digest])
      await registry.expectStatus(200, 'GET', `${MANIFESTS}/${reference}`)
    expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(['v1'])
  })

  it('keeps the repository and the manifest when it deletes the last tag', async () => {
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/latest`)
    expect((await registry.expectStatus(200, 'GET', '/v2/a/b/tags/list')).json.tags).toEqual([])
    await registry.expectStatus(200, 'GET', `${MANIFESTS}/${image.digest}`)
  })

  it.each(['other', '.hidden'])('of the unknown tag %s is MANIFEST_UNKNOWN', async tag => {
    expect((await registry.expectStatus(404, 'DELETE', `${MANIFESTS}/${tag}`)).code).toBe('MANIFEST_UNKNOWN')
  })
})

describe('DELETE by digest', () => {
  it('deletes the manifest and all its tags immediately', async () => {
    await registry.pushManifest('a/b', 'v1', image.document)
    const other = await registry.pushImage('a/b', 'other', ['other'])
    const { headers } = await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    expect(headers['content-length']).toBe('0')
    for (const reference of ['latest', 'v1', image.digest])
      for (const method of ['GET', 'HEAD', 'DELETE'])
        await registry.expectStatus(404, method, `${MANIFESTS}/${reference}`)
    expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(['other'])
    await registry.expectStatus(200, 'GET', `${MANIFESTS}/${other.digest}`)
  })

  it('keeps a tag that has moved to another manifest', async () => {
    const other = await registry.pushImage('a/b', 'latest', ['other'])
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    expect((await registry.get(`${MANIFESTS}/latest`)).text).toBe(other.document)
  })

  it('deletes a hundred tags', async () => {
    for (let i = 0; i < 100; i++) await registry.pushManifest('a/b', `t${i}`, image.document)
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual([])
  })

  it('makes the blobs of the manifest deletable immediately', async () => {
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    for (const blob of ['layer', '{}'])
      await registry.expectStatus(202, 'DELETE', `/v2/a/b/blobs/${digest(blob)}`)
  })

  it('of an unknown digest is MANIFEST_UNKNOWN', async () => {
    expect((await registry.expectStatus(404, 'DELETE', `${MANIFESTS}/${ABSENT}`)).code).toBe(
      'MANIFEST_UNKNOWN',
    )
  })

  it('can be followed by another push of the manifest', async () => {
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    await registry.pushManifest('a/b', 'latest', image.document)
    expect((await registry.get(`${MANIFESTS}/latest`)).text).toBe(image.document)
  })

  it('may delete a child of an index', async () => {
    const index = indexOf([image.document])
    await registry.pushManifest('a/b', 'index', index)
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    expect((await registry.get(`${MANIFESTS}/index`)).text).toBe(index)
  })

  it('keeps the same manifest in another repository', async () => {
    await registry.pushImage('c', 'latest')
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    expect((await registry.get('/v2/c/manifests/latest')).text).toBe(image.document)
  })
})
