import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { MAX_MANIFEST_SIZE } from '../../lambda/protocol/manifest.ts'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import {
  CONFIG,
  DOCKER_IMAGE,
  DOCKER_LIST,
  descriptorOf,
  digest,
  type Fields,
  imageOf,
  indexOf,
  LAYER,
} from '../support/content.ts'
import { runs } from '../support/property-runs.ts'
import { openRegistry, streamed, type TestRegistry } from '../support/registry.ts'

const MANIFESTS = '/v2/a/b/manifests'
const FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'

let registry: TestRegistry
beforeEach(async () => {
  registry = openRegistry()
  for (const blob of ['{}', 'layer']) await registry.pushBlob('a/b', blob)
})

const textOf = async (reference: string) => (await registry.get(`${MANIFESTS}/${reference}`)).text
/** Pushes the document by tag, and expects its exact bytes by tag and by digest. Returns its digest. */
async function expectPreserved(document: string, type?: string) {
  const named = await registry.pushManifest('a/b', 'v1', document, type)
  for (const reference of ['v1', named]) expect(await textOf(reference)).toBe(document)
  return named
}
/** Expects the push to be rejected. Returns the detail of the error. */
async function expectRejected(code: string, document: string | Uint8Array, type: string = OCI_IMAGE) {
  const response = await registry.putManifest('a/b', 'v1', document, type)
  expect([response.status, response.code]).toEqual([code === 'MANIFEST_BLOB_UNKNOWN' ? 404 : 400, code])
  await registry.expectStatus(404, 'GET', `${MANIFESTS}/v1`)
  return response.detail
}
/** A manifest of exactly `size` bytes. */
const sized = (size: number) => {
  const unpadded = imageOf(['layer'], { annotations: { fill: '' } })
  return imageOf(['layer'], { annotations: { fill: 'x'.repeat(size - unpadded.length) } })
}

describe('a pushed manifest is preserved byte for byte:', () => {
  it.each<[string, () => string]>([
    ['an OCI image', () => imageOf(['layer'])],
    ['a Docker image', () => imageOf(['layer'], { mediaType: DOCKER_IMAGE })],
    ['an image without layers', () => imageOf([])],
    ['an image that lists one layer five times', () => imageOf(Array(5).fill('layer'))],
    ['an OCI index without manifests', () => indexOf([])],
    ['a Docker list without manifests', () => indexOf([], { mediaType: DOCKER_LIST })],
    ['an artifact', () => imageOf(['layer'], { artifactType: 'application/vnd.example.sbom' })],
    ['an artifact whose config and layer are the same blob', () => imageOf(['{}'])],
    [
      'unknown fields',
      () => imageOf(['layer'], { 'org.example': { deep: [1, null, { a: 'ü' }] }, layer: 1 }),
    ],
    [
      'descriptors with data, urls and platform',
      () =>
        imageOf([], {
          layers: [
            {
              ...descriptorOf('layer'),
              data: 'bGF5ZXI=',
              urls: ['https://a.example'],
              platform: { os: 'linux' },
            },
          ],
        }),
    ],
    [
      'white space of every kind',
      () => `\n\t ${JSON.stringify(JSON.parse(imageOf(['layer'])), null, '\t')}\r\n\n`,
    ],
    [
      'unnecessary escapes',
      () => imageOf(['layer'], { annotations: { a: 'ä/' } }).replace('ä/', '\\u00e4\\/'),
    ],
    ['characters of one to four bytes', () => imageOf(['layer'], { annotations: { ключ: 'aä鯨🐳' } })],
    [
      'an escaped lone surrogate',
      () => imageOf(['layer'], { annotations: { a: 'X' } }).replace('"X"', '"\\ud800"'),
    ],
    [
      'numbers that a double cannot represent',
      () => imageOf(['layer']).replace('"schemaVersion":2', '"schemaVersion":2,"n":12345678901234567890.10'),
    ],
    ['a repeated field', () => imageOf(['layer'], { x: 1 }).replace('"x":1', '"x":1,"x":2')],
  ])('%s', async (_, document) => {
    await expectPreserved(document())
  })

  it('any JSON in unknown fields', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.constantFrom(0, 1, '\t'), async (value, space) => {
        await expectPreserved(
          JSON.stringify({ ...JSON.parse(imageOf(['layer'])), 'x-unknown': value }, null, space),
        )
      }),
      { numRuns: runs(30) },
    )
  })

  it('an index of images, and an index of indexes', async () => {
    const images = ['amd64', 'arm64'].map(arch => imageOf(['layer'], { annotations: { arch } }))
    for (const image of images) await registry.pushManifest('a/b', digest(image), image)
    const indexes = images.map(image => indexOf([image]))
    for (const index of indexes) await registry.pushManifest('a/b', digest(index), index)
    await expectPreserved(indexOf(indexes))
  })

  it('a BuildKit cache, which is an index that lists layers and a config', async () => {
    const config = descriptorOf('{}', 'application/vnd.buildkit.cacheconfig.v0')
    await expectPreserved(indexOf([descriptorOf('layer'), config]))
  })

  it('an image and an index with sha512 digests', async () => {
    await registry.pushBlob('a/b', '{}', 'sha512')
    const image = imageOf([], { config: descriptorOf('{}', CONFIG, 'sha512') })
    await registry.putManifest('a/b', digest(image, 'sha512'), image)
    await expectPreserved(indexOf([descriptorOf(image, OCI_IMAGE, 'sha512')]))
  })
})

describe('the Content-Type', () => {
  it.each([
    [OCI_IMAGE, imageOf(['layer'])],
    [DOCKER_IMAGE, imageOf(['layer'], { mediaType: DOCKER_IMAGE })],
    [OCI_INDEX, indexOf([])],
    [DOCKER_LIST, indexOf([], { mediaType: DOCKER_LIST })],
  ])('is returned unchanged: %s', async (type, document) => {
    const named = await expectPreserved(document)
    for (const method of ['GET', 'HEAD'])
      for (const reference of ['v1', named]) {
        const { headers } = await registry.expectStatus(200, method, `${MANIFESTS}/${reference}`)
        expect(headers['content-type']).toBe(type)
      }
  })

  it.each([`${OCI_IMAGE}; charset=utf-8`, OCI_IMAGE.toUpperCase(), ` ${OCI_IMAGE} `])(
    'may be written as %j',
    async type => {
      await expectPreserved(imageOf(['layer']), type)
    },
  )

  it('may be missing', async () => {
    await registry.expectStatus(201, 'PUT', `${MANIFESTS}/v1`, { body: imageOf(['layer']) })
    expect((await registry.head(`${MANIFESTS}/v1`)).headers['content-type']).toBe(OCI_IMAGE)
  })

  it('decides when the document has no media type', async () => {
    await expectPreserved(imageOf(['layer'], { mediaType: undefined }), DOCKER_IMAGE)
    expect((await registry.head(`${MANIFESTS}/v1`)).headers['content-type']).toBe(DOCKER_IMAGE)
  })

  it('of a digest is the same by every reference, even when it was pushed with two types', async () => {
    const document = imageOf(['layer'], { mediaType: undefined })
    await registry.pushManifest('a/b', 'v1', document, OCI_IMAGE)
    await registry.pushManifest('a/b', 'v2', document, DOCKER_IMAGE)
    const types = new Set<string | undefined>()
    for (const method of ['GET', 'HEAD'])
      for (const reference of ['v1', 'v2', digest(document)])
        types.add((await registry.request(method, `${MANIFESTS}/${reference}`)).headers['content-type'])
    expect([...types]).toEqual([OCI_IMAGE])
  })

  it.each([OCI_INDEX, DOCKER_IMAGE, 'application/json', 'text/plain', 'application/octet-stream'])(
    'must not be %s when the document has another media type',
    async type => {
      await expectRejected('MANIFEST_INVALID', imageOf(['layer']), type)
    },
  )

  it.each(['application/vnd.docker.distribution.manifest.v1+prettyjws', LAYER, 'application/json'])(
    'must be the type of a manifest, not %s',
    async type => {
      await expectRejected('MANIFEST_INVALID', imageOf(['layer'], { mediaType: undefined }), type)
    },
  )
})

describe('the push is rejected as MANIFEST_INVALID:', () => {
  it.each<[string, string | Uint8Array]>([
    ['an empty body', ''],
    ['invalid JSON', '{"schemaVersion":2,'],
    ['an array', '[]'],
    ['a byte order mark', `\ufeff${imageOf(['layer'])}`],
    ['UTF-16', Buffer.from(imageOf(['layer']), 'utf16le')],
    ['bytes that are not UTF-8', Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}')])],
    ['schema 1', imageOf(['layer'], { schemaVersion: 1 })],
    [
      'a layer with a malformed digest',
      imageOf([], { layers: [{ ...descriptorOf('a'), digest: 'sha256:a' }] }),
    ],
    ['a million nested arrays', '['.repeat(1_000_000)],
  ])('%s', async (_, document) => {
    await expectRejected('MANIFEST_INVALID', document)
  })

  it.each<[string, Fields]>([
    ['layers and manifests', { manifests: [] }],
    ['layers and fsLayers', { fsLayers: [] }],
    ['layers and manifests without a media type', { manifests: [], mediaType: undefined }],
  ])('%s (CVE-2021-41190)', async (_, fields) => {
    for (const type of ['', OCI_IMAGE, OCI_INDEX])
      await expectRejected(
        'MANIFEST_INVALID',
        imageOf(['layer'], { mediaType: type || undefined, ...fields }),
        type,
      )
  })
})

describe('the blobs and children of a manifest', () => {
  it('must exist: the error names every missing blob', async () => {
    const missing = ['one', 'two'].map(text => digest(text))
    const detail = await expectRejected('MANIFEST_BLOB_UNKNOWN', imageOf(['one', 'layer', 'two']))
    expect(detail).toEqual({ missing })
  })

  it('must exist: the error names a missing config', async () => {
    const config = descriptorOf('absent config', CONFIG)
    const detail = await expectRejected('MANIFEST_BLOB_UNKNOWN', imageOf(['layer'], { config }))
    expect(detail).toEqual({ missing: [config.digest] })
  })

  it('must exist: the error names every missing child', async () => {
    const present = imageOf(['layer'])
    await registry.pushManifest('a/b', digest(present), present)
    const missing = [imageOf(['x']), indexOf([])]
    const detail = await expectRejected(
      'MANIFEST_BLOB_UNKNOWN',
      indexOf([missing[0] ?? '', present, missing[1] ?? '']),
      OCI_INDEX,
    )
    expect(detail).toEqual({ missing: missing.map(document => digest(document)) })
  })

  it('must have the right kind: a manifest cannot be a layer, and a blob cannot be a child', async () => {
    const image = imageOf(['layer'])
    await registry.pushManifest('a/b', 'image', image)
    await expectRejected('MANIFEST_BLOB_UNKNOWN', imageOf([image]))
    await expectRejected('MANIFEST_BLOB_UNKNOWN', indexOf([descriptorOf('layer', OCI_IMAGE)]), OCI_INDEX)
  })

  it('must be in the same repository', async () => {
    await registry.pushImage('c', 'latest', ['theirs'])
    await expectRejected('MANIFEST_BLOB_UNKNOWN', imageOf(['theirs']))
    await expectRejected('MANIFEST_BLOB_UNKNOWN', indexOf([imageOf(['theirs'])]), OCI_INDEX)
  })

  it('need not include foreign layers', async () => {
    await expectPreserved(
      imageOf([], {
        layers: [{ ...descriptorOf('windows', FOREIGN), urls: ['https://a.example'] }, descriptorOf('layer')],
      }),
    )
  })

  it('include foreign layers that exist: they cannot be deleted', async () => {
    const blob = await registry.pushBlob('a/b', 'windows')
    const named = await expectPreserved(imageOf([], { layers: [descriptorOf('windows', FOREIGN)] }))
    await registry.expectStatus(405, 'DELETE', `/v2/a/b/blobs/${blob}`)
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${named}`)
    await registry.expectStatus(202, 'DELETE', `/v2/a/b/blobs/${blob}`)
  })

  it('do not include the subject, which need not exist', async () => {
    await expectPreserved(imageOf(['layer'], { subject: descriptorOf('absent', OCI_IMAGE) }))
  })

  it('leave no repository in the catalog when they are missing', async () => {
    await registry.putManifest('fresh', 'v1', imageOf(['layer']))
    expect((await registry.get('/v2/_catalog')).json.repositories).toEqual([])
    await registry.expectStatus(404, 'GET', '/v2/fresh/tags/list')
  })
})

describe('the size of a manifest', () => {
  it('may be 4 MiB', async () => {
    const document = sized(MAX_MANIFEST_SIZE)
    const named = await expectPreserved(document)
    expect((await registry.head(`${MANIFESTS}/${named}`)).headers['content-length']).toBe('4194304')
  })

  it.each([
    ['with a Content-Length', (document: string) => document],
    ['without a Content-Length', (document: string) => streamed(document.slice(0, 9), document.slice(9))],
  ])('must not exceed 4 MiB %s', async (_, bodyOf) => {
    const headers = { 'content-type': OCI_IMAGE }
    const response = await registry.request('PUT', `${MANIFESTS}/v1`, {
      headers,
      body: bodyOf(sized(MAX_MANIFEST_SIZE + 1)),
    })
    expect([response.status, response.code]).toEqual([413, 'CONTENT_TOO_LARGE'])
    expect(response.detail).toEqual({ limit: MAX_MANIFEST_SIZE })
    await registry.expectStatus(404, 'GET', `${MANIFESTS}/v1`)
  })

  it('may be 3.9 MB of annotations', async () => {
    const annotations = Object.fromEntries(
      Array.from({ length: 390 }, (_, i) => [`key${i}`, 'x'.repeat(10_000)]),
    )
    const named = await expectPreserved(imageOf(['layer'], { annotations }))
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${named}`)
    await registry.expectStatus(404, 'GET', `${MANIFESTS}/${named}`)
    await registry.expectStatus(202, 'DELETE', `/v2/a/b/blobs/${digest('layer')}`)
  })

  it.each([349_999, 350_000, 350_001])(
    'may be just below or above the limit of a row: %i bytes',
    async size => {
      const document = sized(size)
      const named = await expectPreserved(document)
      await registry.pushManifest('a/b', 'again', document)
      await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${named}`)
      for (const reference of ['v1', 'again', named])
        await registry.expectStatus(404, 'GET', `${MANIFESTS}/${reference}`)
    },
  )
})

describe('a manifest larger than one transaction', () => {
  const many = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name} ${i}`)

  it('may be an image with 300 layers', async () => {
    const layers = many(300, 'layer')
    for (const layer of layers) await registry.pushBlob('a/b', layer)
    const named = await expectPreserved(imageOf(layers))
    const last = `/v2/a/b/blobs/${digest('layer 299')}`
    await registry.expectStatus(405, 'DELETE', last)
    await registry.expectStatus(202, 'DELETE', `${MANIFESTS}/${named}`)
    await registry.collector.run()
    await registry.expectStatus(202, 'DELETE', last)
  })

  it.each([46, 47, 48])(
    'may be the first image of a repository, with %i layers and a subject',
    async count => {
      const layers = many(count, 'layer')
      for (const blob of ['{}', ...layers]) await registry.pushBlob('first', blob)
      const document = imageOf(layers, { subject: descriptorOf('absent', OCI_IMAGE) })
      await registry.pushManifest('first', 'latest', document)
      expect((await registry.get('/v2/first/manifests/latest')).text).toBe(document)
    },
  )

  it('may be an index of 200 children', async () => {
    const children = many(200, 'child').map(name => indexOf([], { annotations: { name } }))
    for (const child of children) await registry.pushManifest('a/b', digest(child), child)
    await expectPreserved(indexOf(children))
  })

  it('may be an index that lists one child a thousand times, nested ten times', async () => {
    let child = indexOf([])
    for (let depth = 0; depth < 10; depth++) {
      await registry.pushManifest('a/b', digest(child), child)
      child = indexOf(Array(1000).fill(descriptorOf(child, OCI_INDEX)), {
        annotations: { depth: String(depth) },
      })
    }
    await expectPreserved(child)
  })

  it('is rejected with the names of all missing blobs, and the push leaves no refs', async () => {
    const layers = many(120, 'layer')
    const missing = [layers.at(0) ?? '', layers.at(-1) ?? '']
    for (const layer of layers.slice(1, -1)) await registry.pushBlob('a/b', layer)
    const detail = await expectRejected('MANIFEST_BLOB_UNKNOWN', imageOf(layers))
    expect(detail).toEqual({ missing: missing.map(layer => digest(layer)) })
    for (const layer of layers.slice(1, -1))
      await registry.expectStatus(202, 'DELETE', `/v2/a/b/blobs/${digest(layer)}`)
  })

  it('may have 40 tags', async () => {
    const layers = many(60, 'layer')
    for (const layer of layers) await registry.pushBlob('a/b', layer)
    const document = imageOf(layers)
    const tags = many(40, 'tag').map(tag => tag.replace(' ', ''))
    const query = tags.map(tag => `tag=${tag}`).join('&')
    expect((await registry.putManifest('a/b', `${digest(document)}?${query}`, document)).status).toBe(201)
    expect((await registry.get('/v2/a/b/tags/list')).json.tags).toEqual(tags.sort())
  })
})
