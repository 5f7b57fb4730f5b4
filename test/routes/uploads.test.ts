import { beforeEach, describe, expect, it } from 'vitest'
import { parseUploadId } from '../../lambda/protocol/reference.ts'
import { digest } from '../support/content.ts'
import { openRegistry, streamed, type TestRegistry } from '../support/registry.ts'

const UPLOADS = '/v2/a/b/blobs/uploads/'
const CONTENT = 'the content of a layer'
const DIGEST = digest(CONTENT)
const WRONG = digest('something else')
const NOBODY = `${UPLOADS}aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa`

let registry: TestRegistry
beforeEach(() => {
  registry = openRegistry()
})

const contentOf = async (named: string) => (await registry.get(`/v2/a/b/blobs/${named}`)).text
const sizeOf = async (location: string) => (await registry.expectStatus(204, 'GET', location)).headers.range

describe('POST', () => {
  it('begins a session, and says where it goes on', async () => {
    const { headers, bytes } = await registry.expectStatus(202, 'POST', UPLOADS)
    const id = headers['docker-upload-uuid'] ?? ''
    expect(parseUploadId(id)).toBe(id)
    expect(headers).toMatchObject({ location: `${UPLOADS}${id}?v=1`, range: '0-0', 'content-length': '0' })
    expect(bytes).toHaveLength(0)
  })

  it('keeps the whole state of the session in the path, for zb drops the query of a Location', async () => {
    const [path = ''] = (await registry.beginUpload('a/b')).split('?')
    await registry.expectStatus(202, 'PATCH', path, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${path}?digest=${DIGEST}`)
  })

  it.each(['?', '&'])('gives a URL to which clients may append %sdigest=', async mark => {
    const location = await registry.beginUpload('a/b')
    const { headers } = await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${headers.location}${mark}digest=${DIGEST}`)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('names the public origin where there is one', async () => {
    registry = openRegistry({ origin: 'https://registry.example' })
    expect(await registry.beginUpload('a/b')).toMatch(
      /^https:\/\/registry\.example\/v2\/a\/b\/blobs\/uploads\//,
    )
    const { headers } = await registry.request('POST', `${UPLOADS}?digest=${DIGEST}`, { body: CONTENT })
    expect(headers.location).toBe(`https://registry.example/v2/a/b/blobs/${DIGEST}`)
  })

  it('does not begin the same session twice', async () => {
    expect(await registry.beginUpload('a/b')).not.toBe(await registry.beginUpload('a/b'))
  })

  it('does not make the repository known before it holds a manifest', async () => {
    await registry.beginUpload('a/b')
    expect((await registry.get('/v2/_catalog')).json.repositories).toEqual([])
  })
})

describe('POST with the whole blob', () => {
  it('makes it in one request', async () => {
    const { headers } = await registry.expectStatus(201, 'POST', `${UPLOADS}?digest=${DIGEST}`, {
      body: CONTENT,
    })
    expect(headers).toMatchObject({
      location: `/v2/a/b/blobs/${DIGEST}`,
      'docker-content-digest': DIGEST,
      'content-length': '0',
    })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('takes it without a length', async () => {
    const body = streamed('the content ', 'of a layer')
    await registry.expectStatus(201, 'POST', `${UPLOADS}?digest=${DIGEST}`, { body })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('takes it under sha512', async () => {
    const named = digest(CONTENT, 'sha512')
    await registry.expectStatus(201, 'POST', `${UPLOADS}?digest=${named}`, { body: CONTENT })
    expect(await contentOf(named)).toBe(CONTENT)
  })

  it('may be repeated', async () => {
    for (let i = 0; i < 3; i++)
      await registry.expectStatus(201, 'POST', `${UPLOADS}?digest=${DIGEST}`, { body: CONTENT })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('refuses bytes of another digest, and says which they have', async () => {
    const answer = await registry.expectStatus(400, 'POST', `${UPLOADS}?digest=${WRONG}`, { body: CONTENT })
    expect(answer.code).toBe('DIGEST_INVALID')
    expect(answer.detail).toEqual({ said: WRONG, actual: DIGEST })
    for (const named of [WRONG, DIGEST]) await registry.expectStatus(404, 'GET', `/v2/a/b/blobs/${named}`)
    expect(await registry.table.query('repository#a/b', { prefix: 'upload#' })).toEqual([])
  })

  it.each(['sha256:baddigeststring', 'md5:d41d8cd98f00b204e9800998ecf8427e', ''])(
    'refuses %j for a digest',
    async text => {
      const answer = await registry.expectStatus(400, 'POST', `${UPLOADS}?digest=${text}`, { body: CONTENT })
      expect(answer.code).toBe('DIGEST_INVALID')
    },
  )
})

describe('PUT with the whole blob', () => {
  it('ends the session', async () => {
    const location = await registry.beginUpload('a/b')
    const { headers } = await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, {
      body: CONTENT,
    })
    expect(headers).toMatchObject({ location: `/v2/a/b/blobs/${DIGEST}`, 'docker-content-digest': DIGEST })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
    await registry.expectStatus(404, 'GET', location)
  })

  it('takes the query that containerd 2.3 adds', async () => {
    const location = await registry.beginUpload('a/b')
    const target = `${location}?digest=${encodeURIComponent(DIGEST)}&ns=registry.example`
    await registry.expectStatus(201, 'PUT', target, { body: CONTENT })
  })

  it('takes it without a length', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: streamed(CONTENT) })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('may be a blob without bytes', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${digest('')}`)
    expect((await registry.head(`/v2/a/b/blobs/${digest('')}`)).headers['content-length']).toBe('0')
  })

  it('must say which digest', async () => {
    const location = await registry.beginUpload('a/b')
    const answer = await registry.expectStatus(400, 'PUT', location, { body: CONTENT })
    expect(answer.code).toBe('DIGEST_INVALID')
  })

  it('must say a digest of an algorithm that we know', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(400, 'PUT', `${location}?digest=sha384:${'a'.repeat(96)}`, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
  })
})

describe('a single PATCH with the whole blob', () => {
  it.each([
    ['with its length, as skopeo and crane send it', () => CONTENT],
    ['without a length, as Docker, podman and jib send it', () => streamed('the content ', 'of a layer')],
  ])('%s', async (_, body) => {
    const location = await registry.beginUpload('a/b')
    const patched = await registry.expectStatus(202, 'PATCH', location, { body: body() })
    expect(patched.headers).toMatchObject({
      location,
      range: `0-${CONTENT.length - 1}`,
      'docker-upload-uuid': location.slice(UPLOADS.length).replace('?v=1', ''),
      'content-length': '0',
    })
    const { headers } = await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
    expect(headers['docker-content-digest']).toBe(DIGEST)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('may bring nothing, before another brings something, as zb does', async () => {
    const location = await registry.beginUpload('a/b')
    const { headers } = await registry.expectStatus(202, 'PATCH', location)
    expect(headers.range).toBe('0-0')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })

  it('may carry the digest already, as regctl does after a PUT that failed', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', `${location}?digest=${WRONG}`, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })

  it('may be closed by a PUT that announces no length and brings nothing', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: streamed() })
  })
})

describe('sha512', () => {
  const NAMED = digest(CONTENT, 'sha512')

  it.each([
    ['announced in the POST', '?digest-algorithm=sha512'],
    ['announced by the closing PUT alone', ''],
    ['though sha256 was announced', '?digest-algorithm=sha256'],
  ])('%s', async (_, query) => {
    const location = await registry.beginUpload('a/b', query)
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    const { headers } = await registry.expectStatus(201, 'PUT', `${location}?digest=${NAMED}`)
    expect(headers).toMatchObject({ location: `/v2/a/b/blobs/${NAMED}`, 'docker-content-digest': NAMED })
    expect(await contentOf(NAMED)).toBe(CONTENT)
  })

  it('announced, and sha256 after all', async () => {
    const location = await registry.beginUpload('a/b', '?digest-algorithm=sha512')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it.each(['sha384', 'md5', ''])('is no reason to take %j', async algorithm => {
    const answer = await registry.expectStatus(400, 'POST', `${UPLOADS}?digest-algorithm=${algorithm}`)
    expect(answer.code).toBe('DIGEST_INVALID')
    expect(answer.detail?.supported).toEqual(['sha256', 'sha512'])
  })
})

describe('a wrong digest at the end', () => {
  it('leaves the session and its bytes, so the right one may follow', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    const answer = await registry.expectStatus(400, 'PUT', `${location}?digest=${WRONG}`)
    expect([answer.code, answer.detail]).toEqual(['DIGEST_INVALID', { said: WRONG, actual: DIGEST }])
    expect(await sizeOf(location)).toBe(`0-${CONTENT.length - 1}`)
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })

  it('forgets the bytes of that PUT', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: 'the content ' })
    await registry.expectStatus(400, 'PUT', `${location}?digest=${DIGEST}`, { body: 'of the wrong layer' })
    expect(await sizeOf(location)).toBe('0-11')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: 'of a layer' })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('makes no blob', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(400, 'PUT', `${location}?digest=${WRONG}`, { body: CONTENT })
    for (const named of [WRONG, DIGEST]) await registry.expectStatus(404, 'HEAD', `/v2/a/b/blobs/${named}`)
  })
})

describe('a closing PUT that is sent again, because its answer was lost,', () => {
  it('is answered as the first was', async () => {
    const location = await registry.beginUpload('a/b')
    const close = () => registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
    const first = await close()
    expect((await close()).headers).toEqual(first.headers)
  })

  it('is answered so without its body, too', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    for (let i = 0; i < 2; i++) await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })

  it('is read to its end, so that the connection can go on', async () => {
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

  it('is not answered so for a blob that the repository does not hold', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
    await registry.pushBlob('c', 'something else')
    expect((await registry.expectStatus(404, 'PUT', `${location}?digest=${WRONG}`)).code).toBe(
      'BLOB_UPLOAD_UNKNOWN',
    )
  })
})

describe('GET of a session', () => {
  it('tells how far it is', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    const { headers } = await registry.expectStatus(204, 'GET', location)
    expect(headers).toMatchObject({ location, range: `0-${CONTENT.length - 1}` })
    expect(headers).not.toHaveProperty('content-length')
  })

  it('says 0-0 before the first byte', async () => {
    expect(await sizeOf(await registry.beginUpload('a/b'))).toBe('0-0')
  })
})

describe('DELETE of a session', () => {
  it('ends it, and nothing of it is left', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    await registry.expectStatus(204, 'DELETE', location)
    for (const method of ['GET', 'PATCH', 'DELETE']) await registry.expectStatus(404, method, location)
    await registry.expectStatus(404, 'PUT', `${location}?digest=${DIGEST}`)
    await registry.expectStatus(404, 'GET', `/v2/a/b/blobs/${DIGEST}`)
  })
})

describe('a session that nobody began', () => {
  it.each(['GET', 'PATCH', 'DELETE'])('is BLOB_UPLOAD_UNKNOWN to %s', async method => {
    expect((await registry.expectStatus(404, method, NOBODY)).code).toBe('BLOB_UPLOAD_UNKNOWN')
  })

  it('is BLOB_UPLOAD_UNKNOWN to PUT', async () => {
    const answer = await registry.expectStatus(404, 'PUT', `${NOBODY}?digest=${DIGEST}`, { body: CONTENT })
    expect(answer.code).toBe('BLOB_UPLOAD_UNKNOWN')
  })

  it.each(['x', 'AAAAAAAA-AAAA-4AAA-8AAA-AAAAAAAAAAAA', '..'])(
    'by the name %s is unknown as well',
    async id => {
      expect((await registry.expectStatus(404, 'GET', UPLOADS + id)).code).toBe('BLOB_UPLOAD_UNKNOWN')
    },
  )
})

describe('a session of another repository (CVE-2026-32589)', () => {
  it.each(['a', 'a/b/c', 'c'])('is unknown to %s, and undisturbed', async other => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    const theirs = location.replace('/a/b/', `/${other}/`)
    for (const method of ['GET', 'PATCH', 'DELETE'])
      await registry.expectStatus(404, method, theirs, { body: method === 'PATCH' ? 'more' : '' })
    await registry.expectStatus(404, 'PUT', `${theirs}?digest=${DIGEST}`)
    await registry.expectStatus(404, 'GET', `/v2/${other}/blobs/${DIGEST}`)
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })
})

it('knows a blob for the same whichever way it came', async () => {
  const location = await registry.beginUpload('a/b')
  await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
  await registry.pushBlob('a/b', CONTENT)
  await registry.pushBlob('c', CONTENT)
  expect(await contentOf(DIGEST)).toBe(CONTENT)
})
