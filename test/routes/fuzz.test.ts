import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { OCI_IMAGE } from '../../lambda/protocol/media-types.ts'
import { anyText, repositoryName, tag } from '../support/arbitraries.ts'
import { digest, imageOf, indexOf } from '../support/content.ts'
import { runs } from '../support/property-runs.ts'
import { openRegistry, streamed, type TestRegistry } from '../support/registry.ts'

const DIGESTS = ['layer', '{}', 'absent', imageOf(['layer']), indexOf([])].map(content => digest(content))
const QUERIES = [
  'digest',
  'mount',
  'from',
  'tag',
  'n',
  'last',
  'artifactType',
  'digest-algorithm',
  'ns',
  'state',
]
/** Placeholder for the URL of a new upload session. */
const SESSION = 'session'
const HEADERS = [
  'accept',
  'content-length',
  'content-range',
  'content-type',
  'if-match',
  'if-none-match',
  'if-range',
  'range',
  'transfer-encoding',
]

let registry: TestRegistry
let kept: string
beforeAll(async () => {
  registry = openRegistry()
  await registry.pushImage('a', 'latest')
  await registry.pushManifest('a/b', 'index', indexOf([]))
  kept = (await registry.pushImage('kept', 'latest')).document
})

const wild = anyText.map(text => text.toWellFormed())
/** Mostly valid values, so that requests get past the parsers, and sometimes other values. */
const mostly = <T>(valid: fc.Arbitrary<T>, ...others: fc.Arbitrary<T>[]) =>
  fc.oneof({ weight: 8, arbitrary: valid }, ...others.map(arbitrary => ({ weight: 1, arbitrary })))

const name = mostly(fc.constantFrom('a', 'a/b', 'fresh'), repositoryName, wild)
const digests = fc.constantFrom(...DIGESTS)
const value = mostly(
  fc.oneof(digests, fc.constantFrom('a', 'a/b', 'latest', 'sha512', '0', '1', '0-3', 'bytes=0-1')),
  fc.constantFrom('-1', '99999999999999999999', 'bytes=-0', 'bytes=5-1', '*', '*/*', 'chunked', OCI_IMAGE),
  wild,
)
const segments = fc.oneof(
  fc.tuple(fc.constant('blobs'), mostly(digests, wild)),
  fc.tuple(
    fc.constant('manifests'),
    mostly(fc.oneof(digests, fc.constantFrom('latest', 'index')), tag, wild),
  ),
  fc.tuple(fc.constant('referrers'), mostly(digests, wild)),
  fc.tuple(fc.constant('blobs'), fc.constant('uploads'), mostly(fc.constant(''), wild)),
  fc.constant(['tags', 'list']),
  fc.array(fc.oneof(fc.constantFrom('blobs', 'uploads', 'manifests', 'tags', '..', ''), wild), {
    maxLength: 4,
  }),
)
const target = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(name, segments)
      .map(([name, rest]) => `/v2/${[...name.split('/'), ...rest].map(encodeURIComponent).join('/')}`),
  },
  { weight: 2, arbitrary: fc.constant(SESSION) },
  { weight: 1, arbitrary: fc.constantFrom('/v2/', '/v2', '/v2/_catalog', '/') },
  { weight: 1, arbitrary: wild.map(text => `/${encodeURIComponent(text)}`) },
)
const content = fc.oneof(
  fc.uint8Array({ maxLength: 30 }),
  fc
    .constantFrom('', '{}', 'layer', imageOf(['layer']), indexOf([]), imageOf(['absent']))
    .map(text => Buffer.from(text)),
  fc.json().map(text => Buffer.from(text)),
)
const request = fc.record({
  method: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE') },
    { weight: 1, arbitrary: fc.oneof(fc.constantFrom('OPTIONS', 'TRACE', 'get'), wild) },
  ),
  target,
  query: fc.array(fc.tuple(mostly(fc.constantFrom(...QUERIES), wild), value), { maxLength: 2 }),
  headers: fc.dictionary(fc.constantFrom(...HEADERS), value, { maxKeys: 2 }),
  content,
  sized: fc.boolean(),
})

/** The test client checks the rules that every response must follow, such as an error document for every error. */
it('the registry responds to any request without a fault', async () => {
  await fc.assert(
    fc.asyncProperty(request, async ({ method, target, query, headers, content, sized }) => {
      const path = target === SESSION ? await registry.beginUpload('a') : target
      const body = sized ? content : streamed(content)
      const response = await registry.request(method, `${path}?${new URLSearchParams(query)}`, {
        headers,
        body,
      })
      expect(response.status).toBeLessThan(500)
      expect(response.exchange.fault).toBeUndefined()
    }),
    { numRuns: runs(3000) },
  )
  expect((await registry.expectStatus(200, 'GET', '/v2/kept/manifests/latest')).text).toBe(kept)
  expect((await registry.expectStatus(200, 'GET', `/v2/kept/blobs/${digest('layer')}`)).text).toBe('layer')
})
