import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseManifest, parseStoredManifest } from '../../lambda/protocol/manifest.ts'
import { manifestMediaTypes, OCI_IMAGE, OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { anyDigest, anyText } from '../support/arbitraries.ts'
import {
  CONFIG,
  type Descriptor,
  DOCKER_IMAGE,
  DOCKER_LIST,
  descriptorOf,
  type Fields,
  imageOf,
  indexOf,
  LAYER,
} from '../support/content.ts'
import { errorOf } from '../support/errors.ts'
import { runs } from '../support/property-runs.ts'
import { ruleOf } from './rule-of.ts'

const ARTIFACT = 'application/vnd.oci.artifact.manifest.v1+json'
const FOREIGN = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'

const parse = (document: string, contentType?: string) => parseManifest(Buffer.from(document), contentType)
describe('an image', () => {
  it('references its config and its layers, each once', () => {
    const layers = [descriptorOf('a'), descriptorOf('b'), descriptorOf('a')]
    const config = descriptorOf('{}', CONFIG)
    const { blobs, foreign, children } = parse(imageOf([], { config, layers }))
    expect({ blobs, foreign, children }).toEqual({
      blobs: [config.digest, descriptorOf('a').digest, descriptorOf('b').digest],
      foreign: [],
      children: [],
    })
  })

  it('may have a config that is also its layer, like an artifact without content', () => {
    const blank = descriptorOf('{}', 'application/vnd.oci.empty.v1+json')
    expect(parse(imageOf([], { config: blank, layers: [blank] })).blobs).toEqual([blank.digest])
  })

  it.each([[[]], [null], [undefined]])('may list no layers: %j', layers => {
    expect(parse(imageOf([], { layers })).blobs).toHaveLength(1)
  })

  it('does not require its foreign layers', () => {
    const layers = [descriptorOf('windows', FOREIGN), descriptorOf('ours')]
    const { blobs, foreign } = parse(imageOf([], { layers }))
    expect(blobs).not.toContain(layers[0]?.digest)
    expect(foreign).toEqual([layers[0]?.digest])
  })

  it('requires a layer that it lists both as foreign and as its own', () => {
    const layers = [descriptorOf('same', FOREIGN), descriptorOf('same')]
    const { blobs, foreign } = parse(imageOf([], { layers }))
    expect(blobs).toContain(descriptorOf('same').digest)
    expect(foreign).toEqual([])
  })

  it('has its own artifact type', () => {
    expect(parse(imageOf([], { artifactType: 'text/sbom' })).artifactType).toBe('text/sbom')
  })

  it.each([undefined, null, ''])(
    'has the media type of its config as artifact type when its own is %j',
    artifactType => {
      expect(parse(imageOf([], { artifactType })).artifactType).toBe(CONFIG)
    },
  )

  it('must have a config', () => {
    expect(ruleOf(imageOf([], { config: undefined }))).toBe('config is missing')
  })
})

describe('an index', () => {
  it('references its manifests', () => {
    const { blobs, children } = parse(indexOf([imageOf(['a']), indexOf([])]))
    expect(blobs).toEqual([])
    expect(children).toEqual([descriptorOf(imageOf(['a'])).digest, descriptorOf(indexOf([])).digest])
  })

  it('may be empty', () => {
    expect(parse(indexOf([])).children).toEqual([])
  })

  it('has only its own artifact type', () => {
    expect(parse(indexOf([])).artifactType).toBeUndefined()
    expect(parse(indexOf([], { artifactType: 'text/bundle' })).artifactType).toBe('text/bundle')
  })

  it('may list blobs beside manifests, like the cache export of BuildKit', () => {
    const config = descriptorOf('{"layers":[]}', 'application/vnd.buildkit.cacheconfig.v0')
    const { blobs, children } = parse(indexOf([descriptorOf('layer'), config]))
    expect(blobs).toEqual([descriptorOf('layer').digest, config.digest])
    expect(children).toEqual([])
  })

  it('treats an entry without a media type as a manifest', () => {
    const { digest, size } = descriptorOf('x')
    expect(parse(indexOf([], { manifests: [{ digest, size }] })).children).toEqual([digest])
  })
})

it('an artifact manifest, which the spec removed, references its blobs only', () => {
  const document = JSON.stringify({
    mediaType: ARTIFACT,
    artifactType: 'text/sbom',
    blobs: [descriptorOf('sbom')],
  })
  expect(parse(document)).toEqual({
    mediaType: ARTIFACT,
    artifactType: 'text/sbom',
    blobs: [descriptorOf('sbom').digest],
    foreign: [],
    children: [],
  })
})

describe('the media type', () => {
  it.each([
    [OCI_IMAGE, imageOf([])],
    [DOCKER_IMAGE, imageOf([], { mediaType: DOCKER_IMAGE })],
    [OCI_INDEX, indexOf([])],
    [DOCKER_LIST, indexOf([], { mediaType: DOCKER_LIST })],
  ])('is that of the document: %s', (mediaType, document) => {
    expect(parse(document).mediaType).toBe(mediaType)
    expect(parse(document, mediaType).mediaType).toBe(mediaType)
  })

  it('is the Content-Type if the document has none', () => {
    expect(parse(imageOf([], { mediaType: undefined }), DOCKER_IMAGE).mediaType).toBe(DOCKER_IMAGE)
  })

  it('is derived from the fields if neither has one', () => {
    expect(parse(imageOf([], { mediaType: undefined })).mediaType).toBe(OCI_IMAGE)
    expect(parse(indexOf([], { mediaType: undefined })).mediaType).toBe(OCI_INDEX)
  })

  it('must be equal to the Content-Type', () => {
    expect(ruleOf(imageOf([]), OCI_INDEX)).toBe('mediaType must be equal to the Content-Type')
  })

  it.each(['application/json', 'text/plain', LAYER])('must be that of a manifest, unlike %s', mediaType => {
    expect(ruleOf(imageOf([], { mediaType }), mediaType)).toBe(`unsupported media type ${mediaType}`)
  })
})

describe('rejects an ambiguous document (CVE-2021-41190):', () => {
  it.each<[string, string, Fields]>([
    ['an image with manifests', imageOf(['a']), { manifests: [] }],
    ['an image with fsLayers', imageOf(['a']), { fsLayers: [{ blobSum: descriptorOf('a').digest }] }],
    ['an image with blobs', imageOf(['a']), { blobs: [] }],
    ['an index with layers', indexOf([]), { layers: [descriptorOf('a')] }],
    ['an index with a config', indexOf([]), { config: descriptorOf('{}', CONFIG) }],
    ['an index with fsLayers', indexOf([]), { fsLayers: [] }],
    ['both without a media type', imageOf(['a'], { mediaType: undefined }), { manifests: [] }],
  ])('%s', (_, document, added) => {
    expect(ruleOf(JSON.stringify({ ...JSON.parse(document), ...added }))).toMatch(/must not have the field/)
  })

  it.each(['Manifests', 'LAYERS', 'mediatype', 'Subject', 'FSLayers'])('an image with %s', field => {
    expect(ruleOf(imageOf(['a'], { [field]: [] }))).toMatch(`the field ${field} must be spelled`)
  })

  it.each(['Digest', 'SIZE', 'mediatype', 'Urls'])('a descriptor with %s', field => {
    const layer = { ...descriptorOf('a'), [field]: 'x' }
    expect(ruleOf(imageOf([], { layers: [layer] }))).toMatch(`the field layers[0].${field} must be spelled`)
  })

  it('a platform with OS', () => {
    const platform = { architecture: 'arm64', os: 'linux', OS: 'windows' }
    const manifests = [{ ...descriptorOf(imageOf(['a'])), platform }]
    expect(ruleOf(indexOf([], { manifests }))).toBe('the field manifests[0].platform.OS must be spelled os')
  })
})

describe('rejects bytes that are not a manifest:', () => {
  it.each<[string, string | Uint8Array]>([
    ['an empty body', ''],
    ['white space', ' \n'],
    ['half a document', imageOf(['a']).slice(0, 100)],
    ['two documents', imageOf([]) + imageOf([])],
    ['a byte order mark', `\ufeff${imageOf([])}`],
    ['UTF-16', Buffer.from(imageOf([]), 'utf16le')],
    ['Latin-1', Buffer.from(imageOf([], { annotations: { a: 'é' } }), 'latin1')],
    [
      'an overlong encoding',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xc0, 0x80), Buffer.from('"}')]),
    ],
    ['NaN', '{"schemaVersion":NaN}'],
    ['a comment', `/**/${imageOf([])}`],
  ])('%s', (_, bytes) => {
    expect(ruleOf(bytes)).toBe('the manifest must be JSON in UTF-8')
  })

  it.each(['null', 'true', '2', '"text"', '[]', '[{}]'])('%s', document => {
    expect(ruleOf(document)).toBe('the manifest must be a JSON object')
  })
})

describe('a stored manifest', () => {
  it('is parsed although it has fields that a push may not have', () => {
    const layers = [{ ...descriptorOf('a'), size: '5', urls: 7, annotations: { a: 1 } }]
    const document = imageOf([], { layers }).replace('"schemaVersion":2', '"schemaVersion":2.0')
    expect(parseStoredManifest(Buffer.from(document), OCI_IMAGE).blobs).toContain(descriptorOf('a').digest)
  })
})

describe('a Docker schema 1 manifest', () => {
  const V1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
  it.each([
    [JSON.stringify({ schemaVersion: 1, fsLayers: [], history: [] }), undefined],
    [JSON.stringify({ schemaVersion: 1, fsLayers: [] }), V1],
    [JSON.stringify({ schemaVersion: 1, mediaType: V1 }), undefined],
  ])('is rejected by name: %s', (document, type) => {
    expect(ruleOf(document, type)).toMatch('schema 1 manifests are not supported')
  })
})

it('accepts unknown fields of any depth and name', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const document = imageOf(['a']).replace(/}$/, `,"__proto__":{"config":1},"constructor":{},"deep":${deep}}`)
  expect(parse(document).blobs).toHaveLength(2)
})

const ofAnyType = fc.record(
  {
    mediaType: fc.oneof(fc.constantFrom(...manifestMediaTypes(), LAYER, FOREIGN, ''), anyText),
    digest: fc.oneof(anyDigest, anyText),
    size: fc.jsonValue(),
  },
  { requiredKeys: [] },
)
const anyField = fc.oneof(fc.jsonValue(), ofAnyType, fc.array(ofAnyType, { maxLength: 3 }))
const almostManifest = fc.record(
  {
    schemaVersion: fc.oneof(fc.constant(2), fc.jsonValue()),
    mediaType: fc.oneof(fc.constantFrom(...manifestMediaTypes()), fc.jsonValue()),
    config: anyField,
    layers: anyField,
    manifests: anyField,
    blobs: anyField,
    subject: anyField,
    artifactType: fc.jsonValue(),
    annotations: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.jsonValue()),
  },
  { requiredKeys: [] },
)
const contentType = fc.option(fc.oneof(fc.constantFrom(...manifestMediaTypes()), anyText), { nil: undefined })

it('parses any JSON or rejects it with MANIFEST_INVALID', () => {
  fc.assert(
    fc.property(fc.oneof(almostManifest, fc.jsonValue()), contentType, (value, type) => {
      const error = errorOf(() => parse(JSON.stringify(value), type))
      if (error) expect(error.code).toBe('MANIFEST_INVALID')
    }),
    { numRuns: runs(1000) },
  )
})

it('rejects any other bytes with MANIFEST_INVALID', () => {
  fc.assert(
    fc.property(fc.uint8Array(), contentType, (bytes, type) => {
      expect(errorOf(() => parseManifest(bytes, type))?.code).toBe('MANIFEST_INVALID')
    }),
  )
})

const descriptor = (mediaType: fc.Arbitrary<string>): fc.Arbitrary<Descriptor> =>
  fc.record({ mediaType, digest: anyDigest, size: fc.nat() })
const digestsOf = (descriptors: readonly Descriptor[]) => [...new Set(descriptors.map(one => one.digest))]

it('finds exactly the descriptors of an image', () => {
  const layers = fc.array(descriptor(fc.constant(LAYER)))
  const foreign = fc.array(descriptor(fc.constant(FOREIGN)))
  const config = descriptor(fc.constant(CONFIG))
  const annotations = fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
  fc.assert(
    fc.property(
      layers,
      foreign,
      config,
      config,
      annotations,
      (layers, foreign, config, subject, annotations) => {
        const fields = { config, layers: [...layers, ...foreign], subject, annotations }
        expect(parse(imageOf([], fields))).toEqual({
          mediaType: OCI_IMAGE,
          blobs: digestsOf([config, ...layers]),
          foreign: digestsOf(foreign),
          children: [],
          subject: subject.digest,
          artifactType: CONFIG,
          annotations,
        })
      },
    ),
  )
})

it('finds exactly the descriptors of an index', () => {
  const manifests = fc.array(descriptor(fc.constantFrom(...manifestMediaTypes())))
  const blobs = fc.array(descriptor(fc.constant(LAYER)))
  fc.assert(
    fc.property(manifests, blobs, (manifests, blobs) => {
      expect(parse(indexOf([], { manifests: [...manifests, ...blobs] }))).toEqual({
        mediaType: OCI_INDEX,
        blobs: digestsOf(blobs),
        foreign: [],
        children: digestsOf(manifests),
      })
    }),
  )
})
