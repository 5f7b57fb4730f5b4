import { beforeEach, describe, expect, it } from 'vitest'
import { digest, imageOf } from '../support/content.ts'
import { GRACE_PERIOD, openRegistry, type TestRegistry } from '../support/registry.ts'

const CONTENT = 'shared layer'
const DIGEST = digest(CONTENT)

let registry: TestRegistry
beforeEach(async () => {
  registry = openRegistry()
  await registry.pushBlob('from/here', CONTENT)
})

const mount = (query: string, name = 'to/here') =>
  registry.request('POST', `/v2/${name}/blobs/uploads/?${query}`)

describe('a mount', () => {
  it.each([
    ['from a repository that holds the blob', `mount=${DIGEST}&from=from/here`],
    [
      'with percent-encoded parameters',
      `mount=${encodeURIComponent(DIGEST)}&from=${encodeURIComponent('from/here')}`,
    ],
    ['without a source repository', `mount=${DIGEST}`],
    ['from an empty name', `mount=${DIGEST}&from=`],
    ['with the origin that crane adds', `mount=${DIGEST}&from=from/here&origin=registry.example`],
  ])('%s adds the blob without an upload', async (_, query) => {
    const { status, headers } = await mount(query)
    expect(status).toBe(201)
    expect(headers).toMatchObject({
      location: `/v2/to/here/blobs/${DIGEST}`,
      'docker-content-digest': DIGEST,
    })
    expect((await registry.expectStatus(200, 'GET', `/v2/to/here/blobs/${DIGEST}`)).text).toBe(CONTENT)
  })

  it('may be repeated, and may be from the repository itself', async () => {
    for (const from of ['from/here', 'from/here', 'to/here'])
      expect((await mount(`mount=${DIGEST}&from=${from}`)).status).toBe(201)
  })

  it('works with sha512 digests', async () => {
    const named = await registry.pushBlob('from/here', CONTENT, 'sha512')
    expect((await mount(`mount=${named}&from=from/here`)).status).toBe(201)
    expect((await registry.get(`/v2/to/here/blobs/${named}`)).text).toBe(CONTENT)
  })

  it('keeps the blob when it is deleted in the source repository', async () => {
    await mount(`mount=${DIGEST}&from=from/here`)
    await registry.expectStatus(202, 'DELETE', `/v2/from/here/blobs/${DIGEST}`)
    expect((await registry.get(`/v2/to/here/blobs/${DIGEST}`)).text).toBe(CONTENT)
  })

  it('makes the blob available for a manifest', async () => {
    await registry.pushBlob('to/here', '{}')
    await mount(`mount=${DIGEST}&from=from/here`)
    await registry.pushImage('to/here', 'latest', [CONTENT])
  })

  it('renews the grace period of a blob that the repository already holds', async () => {
    await registry.pushBlob('to/here', CONTENT)
    registry.wait(GRACE_PERIOD - 1)
    await mount(`mount=${DIGEST}&from=from/here`)
    registry.wait(GRACE_PERIOD / 2)
    await registry.collector.run()

    await registry.pushBlob('to/here', '{}')
    await registry.pushManifest('to/here', 'latest', imageOf([CONTENT]))
  })
})

describe('a mount that is not possible', () => {
  it.each([
    ['the source repository does not hold the blob', `mount=${DIGEST}&from=elsewhere`],
    ['no repository holds the blob', `mount=${digest('absent')}`],
    [
      'no repository holds the blob, and a source repository is given',
      `mount=${digest('absent')}&from=from/here`,
    ],
  ])('begins an upload: %s', async (_, query) => {
    const { status, headers } = await mount(query)
    expect(status).toBe(202)
    const body = 'uploaded instead'
    await registry.expectStatus(201, 'PUT', `${headers.location}?digest=${digest(body)}`, { body })
    expect((await registry.get(`/v2/to/here/blobs/${digest(body)}`)).text).toBe(body)
  })

  it('begins an upload that can be cancelled, as skopeo does', async () => {
    const { headers } = await mount(`mount=${DIGEST}&from=elsewhere`)
    await registry.expectStatus(204, 'DELETE', headers.location ?? '')
  })

  it('does not make the blob readable', async () => {
    await mount(`mount=${DIGEST}&from=elsewhere`)
    await registry.expectStatus(404, 'GET', `/v2/to/here/blobs/${DIGEST}`)
  })

  it.each([
    'mount=sha256:abc&from=from/here',
    `mount=sha384:${'a'.repeat(96)}&from=from/here`,
    'mount=&from=from/here',
    'mount=',
    `mount=${DIGEST}&from=../from/here`,
    `mount=${DIGEST}&from=From`,
    `mount=${DIGEST}&from=%00`,
    'from=from/here',
  ])('begins an upload when its parameters are invalid: %s', async query => {
    const { status, headers } = await mount(query)
    expect(status).toBe(202)
    await registry.expectStatus(201, 'PUT', `${headers.location}&digest=${DIGEST}`, { body: CONTENT })
  })

  it('does not mount the blob from any repository when the source name is malformed', async () => {
    await mount(`mount=${DIGEST}&from=From/Here`)
    await registry.expectStatus(404, 'GET', `/v2/to/here/blobs/${DIGEST}`)
  })

  it('stores the blob when the request contains its bytes', async () => {
    const body = 'mounted or pushed'
    const target = `/v2/to/here/blobs/uploads/?mount=${digest(body)}&from=from/here&digest=${digest(body)}`
    await registry.expectStatus(201, 'POST', target, { body })
    expect((await registry.get(`/v2/to/here/blobs/${digest(body)}`)).text).toBe(body)
  })
})
