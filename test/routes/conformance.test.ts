import { beforeEach, describe, expect, it } from 'vitest'
import type { Algorithm } from '../../lambda/protocol/digest.ts'
import { OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { CONFIG, descriptorOf, digest, imageOf, indexOf, LAYER, typeOf } from '../support/content.ts'
import { openRegistry, type TestRegistry } from '../support/registry.ts'

/** The data sets of the OCI conformance suite, pushed and deleted in its order. */

const REPOSITORY = 'conformance/repo1'
const EMPTY = descriptorOf('{}', 'application/vnd.oci.empty.v1+json')
const NONDISTRIBUTABLE = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'

interface DataSet {
  readonly blobs: readonly string[]
  /** In the order of the push. */
  readonly manifests: readonly string[]
  readonly tags: Readonly<Record<string, string>>
  readonly algorithm?: Algorithm
}

const layers = ['layer one', 'layer two']
const image = imageOf(layers)
const other = imageOf(['layer two'])
const index = indexOf([image, other])
const nested = indexOf([indexOf([image]), indexOf([other])])
const subject = imageOf(['layer one'], { annotations: { is: 'subject' } })
const referring = (artifactType: string) =>
  imageOf([], { config: EMPTY, layers: [EMPTY], artifactType, subject: descriptorOf(subject, OCI_IMAGE) })
const under512 = imageOf([], {
  config: descriptorOf('{}', CONFIG, 'sha512'),
  layers: [descriptorOf('layer one', LAYER, 'sha512')],
})
const index512 = indexOf([descriptorOf(under512, OCI_IMAGE, 'sha512')])
const annotations = Object.fromEntries(
  Array.from({ length: 390 }, (_, i) => [`key-${i}`, 'x'.repeat(10_000)]),
)
const large = imageOf(layers, { annotations })

const DATA_SETS: Readonly<Record<string, DataSet>> = {
  image: { blobs: ['{}', ...layers], manifests: [image], tags: { image } },
  'large manifest': { blobs: ['{}', ...layers], manifests: [large], tags: { large } },
  index: { blobs: ['{}', ...layers], manifests: [image, other, index], tags: { index } },
  'nested index': {
    blobs: ['{}', ...layers],
    manifests: [image, other, indexOf([image]), indexOf([other]), nested],
    tags: { nested },
  },
  'empty index': { blobs: [], manifests: [indexOf([])], tags: { empty: indexOf([]) } },
  artifact: {
    blobs: ['{}', 'layer one'],
    manifests: [imageOf(['layer one'], { config: EMPTY, artifactType: 'application/vnd.example' })],
    tags: {},
  },
  'artifacts with a subject': {
    blobs: ['{}', 'layer one'],
    manifests: [subject, referring('application/vnd.example.one'), referring('application/vnd.example.two')],
    tags: { subject, 'tagged-artifact': referring('application/vnd.example.one') },
  },
  'an index with a subject': {
    blobs: [],
    manifests: [
      indexOf([]),
      indexOf([], { subject: descriptorOf(indexOf([]), OCI_INDEX), artifactType: 'a/b' }),
    ],
    tags: {},
  },
  'data in descriptors': {
    blobs: ['{}'],
    manifests: [imageOf([], { config: { ...EMPTY, data: 'e30=' }, artifactType: 'a/b' })],
    tags: {},
  },
  'non-distributable layers': {
    blobs: ['{}', 'layer one'],
    manifests: [
      imageOf([], {
        layers: [
          { ...descriptorOf('elsewhere', NONDISTRIBUTABLE), urls: ['https://example.com/layer'] },
          descriptorOf('layer one'),
        ],
      }),
    ],
    tags: {},
  },
  'custom fields': {
    blobs: ['{}'],
    manifests: [imageOf([], { 'org.example.custom': { a: [1] } })],
    tags: {},
  },
  'no layers': { blobs: ['{}'], manifests: [imageOf([])], tags: {} },
  sha512: {
    blobs: ['{}', 'layer one'],
    manifests: [under512, index512],
    tags: { index512, image512: under512 },
    algorithm: 'sha512',
  },
}

let registry: TestRegistry
beforeEach(() => {
  registry = openRegistry()
})

describe('a new repository', () => {
  it('has no tags: 404', async () => {
    await registry.expectStatus(404, 'GET', `/v2/${REPOSITORY}/tags/list`)
  })

  it('has an empty index of referrers', async () => {
    const response = await registry.expectStatus(200, 'GET', `/v2/${REPOSITORY}/referrers/${digest('any')}`)
    expect(response.headers['content-type']).toBe(OCI_INDEX)
    expect(response.json).toMatchObject({ mediaType: OCI_INDEX, schemaVersion: 2 })
  })
})

describe.each(Object.entries(DATA_SETS))('%s', (_, { blobs, manifests, tags, algorithm = 'sha256' }) => {
  const nameOf = (content: string) => digest(content, algorithm)
  const manifestPath = (reference: string) => `/v2/${REPOSITORY}/manifests/${reference}`
  const blobPath = (content: string) => `/v2/${REPOSITORY}/blobs/${nameOf(content)}`

  async function put(reference: string, document: string) {
    const { subject } = JSON.parse(document) as { subject?: { digest: string } }
    const response = await registry.putManifest(REPOSITORY, reference, document)
    expect(response.status, response.text.slice(0, 500)).toBe(201)
    expect(response.headers['docker-content-digest']).toBe(nameOf(document))
    expect(response.headers['oci-subject']).toBe(subject?.digest)
    const pulled = await registry.expectStatus(200, 'GET', response.headers.location ?? '', {
      headers: { accept: `${OCI_INDEX}, ${OCI_IMAGE}` },
    })
    expect(pulled.text).toBe(document)
  }

  it('is pushed, listed, pulled and deleted', async () => {
    for (const blob of blobs) await registry.pushBlob(REPOSITORY, blob, algorithm)
    for (const document of manifests) await put(nameOf(document), document)
    for (const [tag, document] of Object.entries(tags))
      if (algorithm === 'sha256') await put(tag, document)
      else await put(`${nameOf(document)}?tag=${tag}`, document)

    const { json } = await registry.expectStatus(200, 'GET', `/v2/${REPOSITORY}/tags/list`)
    expect(json.tags).toEqual(Object.keys(tags).sort())

    const named = [
      ...manifests.map(document => [nameOf(document), document] as const),
      ...Object.entries(tags),
    ]
    for (const [reference, document] of named)
      for (const method of ['HEAD', 'GET']) {
        const { headers } = await registry.expectStatus(200, method, manifestPath(reference))
        expect(headers).toMatchObject({
          'content-type': typeOf(document),
          'content-length': String(Buffer.byteLength(document)),
          'docker-content-digest': nameOf(document),
        })
      }

    for (const tag of Object.keys(tags)) {
      await registry.expectStatus(202, 'DELETE', manifestPath(tag))
      await registry.expectStatus(404, 'HEAD', manifestPath(tag))
    }
    for (const document of [...manifests].reverse()) {
      await registry.expectStatus(202, 'DELETE', manifestPath(nameOf(document)))
      await registry.expectStatus(404, 'HEAD', manifestPath(nameOf(document)))
    }
    for (const blob of blobs) {
      await registry.expectStatus(202, 'DELETE', blobPath(blob))
      await registry.expectStatus(404, 'HEAD', blobPath(blob))
    }
  })
})

describe('an invalid request', () => {
  it('to push an image by the digest of another is 400', async () => {
    for (const blob of ['{}', ...layers]) await registry.pushBlob(REPOSITORY, blob)
    const { status } = await registry.putManifest(REPOSITORY, digest(image), `${image}  `)
    expect(status).toBe(400)
    await registry.expectStatus(404, 'DELETE', `/v2/${REPOSITORY}/manifests/${digest(image)}`)
  })

  it('with a malformed digest is 400', async () => {
    const malformed = 'sha256:baddigeststring'
    expect((await registry.putManifest(REPOSITORY, malformed, image)).status).toBe(400)
    await registry.expectStatus(400, 'GET', `/v2/${REPOSITORY}/manifests/${malformed}`)
  })
})
