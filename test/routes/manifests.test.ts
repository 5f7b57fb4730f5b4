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

/** Both names of the same manifest. */
const references = () => ['latest', image.digest]

describe('PUT of a manifest', () => {
  it.each(['tag', 'digest'])('by %s says where it is, and its digest', async kind => {
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

  it('names the public origin where there is one', async () => {
    registry = openRegistry({ origin: 'https://registry.example' })
    await registry.pushBlob('a/b', '{}')
    const { headers } = await registry.putManifest('a/b', 'v1', imageOf())
    expect(headers.location).toBe(`https://registry.example${MANIFESTS}/${digest(imageOf())}`)
  })

  it('takes it without a length, as jib sends it', async () => {
    const headers = { 'content-type': OCI_IMAGE }
    const body = streamed(image.document.slice(0, 50), image.document.slice(50))
    await registry.expectStatus(201, 'PUT', `${MANIFESTS}/v1`, { headers, body })
    expect((await registry.get(`${MANIFESTS}/v1`)).text).toBe(image.document)
  })

  it('under sha512 keeps it under sha512, by its tags too', async () => {
    const named = digest(image.document, 'sha512')
    const { headers } = await registry.putManifest('a/b', `${named}?tag=long`, image.document)
    expect(headers['docker-content-digest']).toBe(named)
    for (const reference of [named, 'long'])
      for (const method of ['GET', 'HEAD']) {
        const answer = await registry.expectStatus(200, method, `${MANIFESTS}/${reference}`)
        expect(answer.headers['docker-content-digest']).toBe(named)
      }
  })

  it('may be repeated, by every name', async () => {
    for (const reference of [...references(), ...references()])
      expect((await registry.putManifest('a/b', reference, image.document)).status).toBe(201)
  })

  it('moves a tag to another manifest, and leaves the first where it is', async () => {
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

  it('takes the digest of other bytes for an error, and says which they have', async () => {
    const answer = await registry.putManifest('a/b', image.digest, `${image.document}  `)
    expect([answer.status, answer.code]).toEqual([400, 'DIGEST_INVALID'])
    expect(answer.detail).toEqual({ said: image.digest, actual: digest(`${image.document}  `) })
  })

  it.each([
    ['sha256:baddigeststring', 'DIGEST_INVALID'],
    [`sha384:${'a'.repeat(96)}`, 'DIGEST_INVALID'],
    ['.hidden', 'TAG_INVALID'],
    ['-', 'TAG_INVALID'],
    ['a'.repeat(129), 'TAG_INVALID'],
    ['a%20b', 'TAG_INVALID'],
  ])('takes no reference like %s', async (reference, code) => {
    const answer = await registry.putManifest('a/b', reference, image.document)
    expect([answer.status, answer.code]).toEqual([400, code])
  })

  it('takes no name of a repository that the spec does not', async () => {
    const answer = await registry.putManifest('A/b', 'latest', image.document)
    expect([answer.status, answer.code]).toEqual([400, 'NAME_INVALID'])
  })
})

describe.each(['GET', 'HEAD'])('%s of a manifest', method => {
  it('by tag and by digest tells the same', async () => {
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

  it('that is not there is MANIFEST_UNKNOWN', async () => {
    for (const path of [`${MANIFESTS}/other`, `${MANIFESTS}/${ABSENT}`, `/v2/a/manifests/latest`]) {
      const { code } = await registry.expectStatus(404, method, path)
      if (method === 'GET') expect(code).toBe('MANIFEST_UNKNOWN')
    }
  })

  it('by a tag that cannot be is 404 as well', async () => {
    await registry.expectStatus(404, method, `${MANIFESTS}/.hidden`)
  })

  it('by a digest that cannot be is 400', async () => {
    await registry.expectStatus(400, method, `${MANIFESTS}/sha256:baddigeststring`)
  })

  it('with the ETag in If-None-Match is 304', async () => {
    for (const reference of references()) {
      const headers = { 'if-none-match': `"${image.digest}"` }
      const answer = await registry.expectStatus(304, method, `${MANIFESTS}/${reference}`, { headers })
      expect(answer.headers.etag).toBe(`"${image.digest}"`)
    }
  })

  it('with the ETag of what the tag named before is the whole again', async () => {
    await registry.pushImage('a/b', 'latest', ['other'])
    const headers = { 'if-none-match': `"${image.digest}"` }
    await registry.expectStatus(200, method, `${MANIFESTS}/latest`, { headers })
  })
})

it('gives back the bytes that were pushed', async () => {
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
  ])('by tag gives the manifest to Accept: %s', async accept => {
    for (const method of ['GET', 'HEAD']) {
      const headers: Record<string, string> = accept === undefined ? {} : { accept }
      await registry.expectStatus(200, method, `${MANIFESTS}/latest`, { headers })
    }
  })

  it.each([OCI_INDEX, DOCKER_IMAGE, 'application/json', `*/*, ${OCI_IMAGE};q=0`])(
    'by tag tells Accept: %s that there is none such',
    async accept => {
      for (const method of ['GET', 'HEAD'])
        await registry.expectStatus(404, method, `${MANIFESTS}/latest`, { headers: { accept } })
      const { code, detail } = await registry.get(`${MANIFESTS}/latest`, { accept })
      expect([code, detail?.mediaType]).toEqual(['MANIFEST_UNKNOWN', OCI_IMAGE])
    },
  )

  it('by digest gives the bytes that the digest names, whatever Accept says', async () => {
    const headers = { accept: DOCKER_IMAGE }
    const answer = await registry.expectStatus(200, 'GET', `${MANIFESTS}/${image.digest}`, { headers })
    expect(answer.headers['content-type']).toBe(OCI_IMAGE)
  })
})

describe('multi-tag push', () => {
  const put = (reference: string, query: string) =>
    registry.putManifest('a/b', `${reference}?${query}`, image.document)

  it('by digest points all tags at the manifest, and names them', async () => {
    const { status, headers } = await put(image.digest, 'tag=v1&tag=v1.0&tag=v1.0.0')
    expect([status, headers['oci-tag']]).toEqual([201, 'v1, v1.0, v1.0.0'])
    for (const tag of ['v1', 'v1.0', 'v1.0.0'])
      expect((await registry.head(`${MANIFESTS}/${tag}`)).headers['docker-content-digest']).toBe(image.digest)
  })

  it('by tag adds the others', async () => {
    expect((await put('latest', 'tag=v1&tag=latest')).status).toBe(201)
    expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(['latest', 'v1'])
  })

  it('names a tag once that came twice', async () => {
    expect((await put(image.digest, 'tag=v1&tag=v1')).headers['oci-tag']).toBe('v1')
  })

  it('moves all the tags together', async () => {
    await registry.pushImage('a/b', 'v1', ['other'])
    await put(image.digest, 'tag=v1&tag=v2')
    for (const tag of ['v1', 'v2'])
      expect((await registry.get(`${MANIFESTS}/${tag}`)).text).toBe(image.document)
  })

  const tags = (count: number) => Array.from({ length: count }, (_, i) => `tag=t${i}`).join('&')

  it('takes 40 tags, of a manifest that is there and of one that is new', async () => {
    expect((await put(image.digest, tags(40))).status).toBe(201)
    const fresh = imageOf(['layer'], { annotations: { fresh: 'yes' } })
    expect((await registry.putManifest('a/b', `${digest(fresh)}?${tags(40)}`, fresh)).status).toBe(201)
    for (const tag of ['t0', 't20', 't39'])
      expect((await registry.get(`${MANIFESTS}/${tag}`)).text).toBe(fresh)
  })

  it('refuses 41, and keeps none of them', async () => {
    const answer = await put(image.digest, tags(41))
    expect([answer.status, answer.code]).toEqual([414, 'URI_TOO_LONG'])
    expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(['latest'])
  })

  it.each(['tag=v1&tag=-', 'tag=', 'tag=a%2fb', 'tag=v1,v2', `tag=${'a'.repeat(129)}`])(
    'refuses %s, and keeps none of them',
    async query => {
      const answer = await put(image.digest, query)
      expect([answer.status, answer.code]).toEqual([400, 'TAG_INVALID'])
      expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(['latest'])
    },
  )
})

describe('DELETE by tag', () => {
  it('takes that tag away at once, and nothing else', async () => {
    await registry.pushManifest('a/b', 'v1', image.document)
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/latest`)
    for (const method of ['GET', 'HEAD', 'DELETE'])
      await registry.expectStatus(404, method, `${MANIFESTS}/latest`)
    for (const reference of ['v1', image.digest])
      await registry.expectStatus(200, 'GET', `${MANIFESTS}/${reference}`)
    expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(['v1'])
  })

  it('leaves the last manifest of a repository without tags', async () => {
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/latest`)
    expect((await registry.expectStatus(200, 'GET', '/v2/a/b/tags/list')).json.tags).toEqual([])
    await registry.expectStatus(200, 'GET', `${MANIFESTS}/${image.digest}`)
  })

  it.each(['other', '.hidden'])('of %s, which is not there, is MANIFEST_UNKNOWN', async tag => {
    expect((await registry.expectStatus(404, 'DELETE', `${MANIFESTS}/${tag}`)).code).toBe('MANIFEST_UNKNOWN')
  })
})

describe('DELETE by digest', () => {
  it('takes the manifest and all its tags away at once', async () => {
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

  it('leaves alone a tag that has moved on', async () => {
    const other = await registry.pushImage('a/b', 'latest', ['other'])
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    expect((await registry.get(`${MANIFESTS}/latest`)).text).toBe(other.document)
  })

  it('takes a hundred tags away', async () => {
    for (let i = 0; i < 100; i++) await registry.pushManifest('a/b', `t${i}`, image.document)
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual([])
  })

  it('frees what the manifest needed at once', async () => {
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    for (const blob of ['layer', '{}'])
      await registry.expectStatus(202, 'DELETE', `/v2/a/b/blobs/${digest(blob)}`)
  })

  it('of one that was never pushed is MANIFEST_UNKNOWN', async () => {
    expect((await registry.expectStatus(404, 'DELETE', `${MANIFESTS}/${ABSENT}`)).code).toBe(
      'MANIFEST_UNKNOWN',
    )
  })

  it('is no hindrance to pushing it again', async () => {
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    await registry.pushManifest('a/b', 'latest', image.document)
    expect((await registry.get(`${MANIFESTS}/latest`)).text).toBe(image.document)
  })

  it('may take a child from an index that lists it', async () => {
    const index = indexOf([image.document])
    await registry.pushManifest('a/b', 'index', index)
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    expect((await registry.get(`${MANIFESTS}/index`)).text).toBe(index)
  })

  it('does not touch the same manifest in another repository', async () => {
    await registry.pushImage('c', 'latest')
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${image.digest}`)
    expect((await registry.get('/v2/c/manifests/latest')).text).toBe(image.document)
  })
})
