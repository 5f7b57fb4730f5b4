import { beforeEach, describe, expect, it } from 'vitest'
import { digest } from '../support/content.ts'
import { openRegistry, streamed, type TestRegistry } from '../support/registry.ts'

const CONTENT = 'the content of a layer'
const DIGEST = digest(CONTENT)
const WRONG = digest('something else')

let registry: TestRegistry
beforeEach(() => {
  registry = openRegistry()
})

const contentOf = async (named: string) => (await registry.get(`/v2/a/b/blobs/${named}`)).text
const sizeOf = async (location: string) => (await registry.expectStatus(204, 'GET', location)).headers.range

describe('a closing PUT with a wrong digest', () => {
  it('keeps the session and its bytes, so that the right digest may follow', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    const response = await registry.expectStatus(400, 'PUT', `${location}?digest=${WRONG}`)
    expect([response.code, response.detail]).toEqual(['DIGEST_INVALID', { said: WRONG, actual: DIGEST }])
    expect(await sizeOf(location)).toBe(`0-${CONTENT.length - 1}`)
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })

  it('discards the bytes of that PUT', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: 'the content ' })
    await registry.expectStatus(400, 'PUT', `${location}?digest=${DIGEST}`, { body: 'of the wrong layer' })
    expect(await sizeOf(location)).toBe('0-11')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: 'of a layer' })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('creates no blob', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(400, 'PUT', `${location}?digest=${WRONG}`, { body: CONTENT })
    for (const named of [WRONG, DIGEST]) await registry.expectStatus(404, 'HEAD', `/v2/a/b/blobs/${named}`)
  })
})

describe('a closing PUT that is repeated after a lost response', () => {
  it('gets the same response', async () => {
    const location = await registry.beginUpload('a/b')
    const close = () => registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
    const first = await close()
    expect((await close()).headers).toEqual(first.headers)
  })

  it('gets the same response without its body', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    for (let i = 0; i < 2; i++) await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })

  it('is read completely, so that the connection can be reused', async () => {
    const location = await registry.beginUpload('a/b')
    const target = `${location}?digest=${DIGEST}`
    await registry.expectStatus(201, 'PUT', target, { body: CONTENT })
    let ended = false
    async function* body(): AsyncGenerator<Uint8Array> {
      yield* streamed(CONTENT)
      ended = true
    }
    await registry.expectStatus(201, 'PUT', target, { body: body() })
    expect(ended).toBe(true)
  })

  it('is BLOB_UPLOAD_UNKNOWN for a blob that the repository does not hold', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
    await registry.pushBlob('c', 'something else')
    expect((await registry.expectStatus(404, 'PUT', `${location}?digest=${WRONG}`)).code).toBe(
      'BLOB_UPLOAD_UNKNOWN',
    )
  })
})
