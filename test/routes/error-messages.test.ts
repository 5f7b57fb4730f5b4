import { beforeEach, describe, expect, it } from 'vitest'
import { OCI_INDEX } from '../../lambda/protocol/media-types.ts'
import { digest, imageOf, indexOf } from '../support/content.ts'
import { openRegistry, type RequestOptions, type TestRegistry } from '../support/registry.ts'

let registry: TestRegistry
beforeEach(async () => {
  registry = openRegistry()
  await registry.pushImage('app', 'v1')
})

const put = (body: string, type?: string): RequestOptions => ({
  body,
  ...(type && { headers: { 'content-type': type } }),
})
const ABSENT = digest('absent')

/** Docker, podman and skopeo print only the message of an error. */
describe('an error message names', () => {
  it.each<[string, string, string, RequestOptions | undefined, RegExp]>([
    ['the missing blob', 'GET', `blobs/${ABSENT}`, undefined, RegExp(ABSENT)],
    ['the missing layer', 'PUT', 'manifests/v2', put(imageOf(['absent'])), RegExp(ABSENT)],
    [
      'the rule that a manifest breaks',
      'PUT',
      'manifests/v2',
      put(indexOf([], { schemaVersion: 3 })),
      /schemaVersion must be 2/,
    ],
    ['schema 1', 'PUT', 'manifests/v2', put('{"schemaVersion":1,"fsLayers":[]}'), /schema 1/],
    ['the unsupported media type', 'PUT', 'manifests/v2', put('{}', 'text/plain'), /text\/plain/],
    [
      'the digest of the bytes',
      'PUT',
      `manifests/${ABSENT}`,
      put(indexOf([]), OCI_INDEX),
      RegExp(digest(indexOf([]))),
    ],
    ['the syntax of a tag', 'PUT', 'manifests/.v2', put(indexOf([]), OCI_INDEX), /begin with a letter/],
    ['the missing tag', 'GET', 'manifests/v2', undefined, /v2/],
    ['the syntax of a digest', 'GET', 'blobs/sha256:abc', undefined, /sha256:<64 hex digits>/],
    [
      'the manifest that needs a blob',
      'DELETE',
      `blobs/${digest('layer')}`,
      undefined,
      RegExp(digest(imageOf(['layer']))),
    ],
    ['the allowed methods', 'PATCH', 'manifests/v1', undefined, /GET, HEAD, PUT, DELETE/],
    [
      'the size of the blob',
      'GET',
      `blobs/${digest('layer')}`,
      { headers: { range: 'bytes=9-' } },
      /5 bytes/,
    ],
    [
      'the supported algorithms',
      'POST',
      'blobs/uploads/?digest-algorithm=md5',
      undefined,
      /sha256 or sha512/,
    ],
  ])('%s', async (_, method, path, sent, message) => {
    const { json } = await registry.request(method, `/v2/app/${path}`, sent)
    expect(json.errors?.[0]?.message).toMatch(message)
  })

  it('the byte at which an upload continues, and the digest of its bytes', async () => {
    const location = await registry.beginUpload('app')
    await registry.expectStatus(202, 'PATCH', location, { body: 'first' })

    const gap = await registry.expectStatus(416, 'PATCH', location, {
      body: 'x',
      headers: { 'content-range': '9-9' },
    })
    const wrong = await registry.expectStatus(400, 'PUT', `${location}?digest=${ABSENT}`)

    expect(gap.json.errors?.[0]?.message).toMatch('must begin at byte 5')
    expect(wrong.json.errors?.[0]?.message).toMatch(digest('first'))
  })

  it('five missing digests and the number of the others', async () => {
    const layers = Array.from({ length: 8 }, (_, i) => `absent ${i}`)
    const { json } = await registry.putManifest('app', 'v2', imageOf(layers))
    expect(json.errors?.[0]?.message).toMatch(/(?:sha256:[0-9a-f]{64}(?:, | )){5}and 3 more$/)
  })
})
