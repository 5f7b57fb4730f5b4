import { beforeEach, describe, expect, it } from 'vitest'
import { parseUploadId } from '../../lambda/protocol/reference.ts'
import { digest } from '../support/content.ts'
import { openRegistry, streamed, type TestRegistry } from '../support/registry.ts'

const UPLOADS = '/v2/a/b/blobs/uploads/'
const CONTENT = 'the content of a layer'
const DIGEST = digest(CONTENT)
const WRONG = digest('something else')
const UNKNOWN_SESSION = `${UPLOADS}aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa`

let registry: TestRegistry
beforeEach(() => {
  registry = openRegistry()
})

const contentOf = async (named: string) => (await registry.get(`/v2/a/b/blobs/${named}`)).text
const sizeOf = async (location: string) => (await registry.expectStatus(204, 'GET', location)).headers.range

describe('POST', () => {
  it('begins a session and returns its URL', async () => {
    const { headers, bytes } = await registry.expectStatus(202, 'POST', UPLOADS)
    const id = headers['docker-upload-uuid'] ?? ''
    expect(parseUploadId(id)).toBe(id)
    expect(headers).toMatchObject({ location: `${UPLOADS}${id}?v=1`, range: '0-0', 'content-length': '0' })
    expect(bytes).toHaveLength(0)
  })

  it('returns a URL that works without its query, because zb drops the query of a Location', async () => {
    const [path = ''] = (await registry.beginUpload('a/b')).split('?')
    await registry.expectStatus(202, 'PATCH', path, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${path}?digest=${DIGEST}`)
  })

  it.each(['?', '&'])('returns a URL to which clients may append %sdigest=', async mark => {
    const location = await registry.beginUpload('a/b')
    const { headers } = await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${headers.location}${mark}digest=${DIGEST}`)
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('returns absolute URLs when the origin is configured', async () => {
    registry = openRegistry({ origin: 'https://registry.example' })
    expect(await registry.beginUpload('a/b')).toMatch(
      /^https:\/\/registry\.example\/v2\/a\/b\/blobs\/uploads\//,
    )
    const { headers } = await registry.request('POST', `${UPLOADS}?digest=${DIGEST}`, { body: CONTENT })
    expect(headers.location).toBe(`https://registry.example/v2/a/b/blobs/${DIGEST}`)
  })

  it('begins another session each time', async () => {
    expect(await registry.beginUpload('a/b')).not.toBe(await registry.beginUpload('a/b'))
  })

  it('does not add the repository to the catalog', async () => {
    await registry.beginUpload('a/b')
    expect((await registry.get('/v2/_catalog')).json.repositories).toEqual([])
  })
})

describe('POST with the whole blob', () => {
  it('stores the blob in one request', async () => {
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

  it('accepts a body without Content-Length', async () => {
    const body = streamed('the content ', 'of a layer')
    await registry.expectStatus(201, 'POST', `${UPLOADS}?digest=${DIGEST}`, { body })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('accepts a sha512 digest', async () => {
    const named = digest(CONTENT, 'sha512')
    await registry.expectStatus(201, 'POST', `${UPLOADS}?digest=${named}`, { body: CONTENT })
    expect(await contentOf(named)).toBe(CONTENT)
  })

  it('may be repeated', async () => {
    for (let i = 0; i < 3; i++)
      await registry.expectStatus(201, 'POST', `${UPLOADS}?digest=${DIGEST}`, { body: CONTENT })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('rejects bytes with another digest, and returns the actual digest', async () => {
    const response = await registry.expectStatus(400, 'POST', `${UPLOADS}?digest=${WRONG}`, { body: CONTENT })
    expect(response.code).toBe('DIGEST_INVALID')
    expect(response.detail).toEqual({ said: WRONG, actual: DIGEST })
    for (const named of [WRONG, DIGEST]) await registry.expectStatus(404, 'GET', `/v2/a/b/blobs/${named}`)
    expect(await registry.table.query('repository#a/b', { prefix: 'upload#' })).toEqual([])
  })

  it.each(['sha256:baddigeststring', 'md5:d41d8cd98f00b204e9800998ecf8427e', ''])(
    'rejects the malformed digest %j',
    async text => {
      const response = await registry.expectStatus(400, 'POST', `${UPLOADS}?digest=${text}`, {
        body: CONTENT,
      })
      expect(response.code).toBe('DIGEST_INVALID')
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

  it('accepts the query parameter that containerd 2.3 adds', async () => {
    const location = await registry.beginUpload('a/b')
    const target = `${location}?digest=${encodeURIComponent(DIGEST)}&ns=registry.example`
    await registry.expectStatus(201, 'PUT', target, { body: CONTENT })
  })

  it('accepts a body without Content-Length', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: streamed(CONTENT) })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it('accepts an empty blob', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${digest('')}`)
    expect((await registry.head(`/v2/a/b/blobs/${digest('')}`)).headers['content-length']).toBe('0')
  })

  it('requires a digest', async () => {
    const location = await registry.beginUpload('a/b')
    const response = await registry.expectStatus(400, 'PUT', location, { body: CONTENT })
    expect(response.code).toBe('DIGEST_INVALID')
  })

  it('rejects a digest of an unsupported algorithm, and the session continues', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(400, 'PUT', `${location}?digest=sha384:${'a'.repeat(96)}`, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
  })
})

describe('a single PATCH with the whole blob', () => {
  it.each([
    ['is accepted with a Content-Length, as skopeo and crane send it', () => CONTENT],
    [
      'is accepted without a Content-Length, as Docker, podman and jib send it',
      () => streamed('the content ', 'of a layer'),
    ],
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

  it('may follow an empty PATCH, as zb sends it', async () => {
    const location = await registry.beginUpload('a/b')
    const { headers } = await registry.expectStatus(202, 'PATCH', location)
    expect(headers.range).toBe('0-0')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })

  it('may have a digest in its query, as regctl sends it after a failed PUT', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', `${location}?digest=${WRONG}`, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })

  it('may be closed by an empty PUT without Content-Length', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: streamed() })
  })
})

describe('a sha512 digest', () => {
  const NAMED = digest(CONTENT, 'sha512')

  it.each([
    ['is accepted when the POST announces sha512', '?digest-algorithm=sha512'],
    ['is accepted when the POST announces no algorithm', ''],
    ['is accepted when the POST announces sha256', '?digest-algorithm=sha256'],
  ])('%s', async (_, query) => {
    const location = await registry.beginUpload('a/b', query)
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    const { headers } = await registry.expectStatus(201, 'PUT', `${location}?digest=${NAMED}`)
    expect(headers).toMatchObject({ location: `/v2/a/b/blobs/${NAMED}`, 'docker-content-digest': NAMED })
    expect(await contentOf(NAMED)).toBe(CONTENT)
  })

  it('that was announced may be replaced by a sha256 digest', async () => {
    const location = await registry.beginUpload('a/b', '?digest-algorithm=sha512')
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
    expect(await contentOf(DIGEST)).toBe(CONTENT)
  })

  it.each(['sha384', 'md5', ''])('is supported, unlike digest-algorithm=%s', async algorithm => {
    const response = await registry.expectStatus(400, 'POST', `${UPLOADS}?digest-algorithm=${algorithm}`)
    expect(response.code).toBe('DIGEST_INVALID')
    expect(response.detail?.supported).toEqual(['sha256', 'sha512'])
  })
})

describe('GET of a session', () => {
  it('returns the range of the received bytes', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    const { headers } = await registry.expectStatus(204, 'GET', location)
    expect(headers).toMatchObject({ location, range: `0-${CONTENT.length - 1}` })
    expect(headers).not.toHaveProperty('content-length')
  })

  it('returns 0-0 before the first byte', async () => {
    expect(await sizeOf(await registry.beginUpload('a/b'))).toBe('0-0')
  })
})

describe('DELETE of a session', () => {
  it('ends the session and discards its bytes', async () => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    await registry.expectStatus(204, 'DELETE', location)
    for (const method of ['GET', 'PATCH', 'DELETE']) await registry.expectStatus(404, method, location)
    await registry.expectStatus(404, 'PUT', `${location}?digest=${DIGEST}`)
    await registry.expectStatus(404, 'GET', `/v2/a/b/blobs/${DIGEST}`)
  })
})

describe('an unknown session', () => {
  it.each(['GET', 'PATCH', 'DELETE'])('is BLOB_UPLOAD_UNKNOWN for %s', async method => {
    expect((await registry.expectStatus(404, method, UNKNOWN_SESSION)).code).toBe('BLOB_UPLOAD_UNKNOWN')
  })

  it('is BLOB_UPLOAD_UNKNOWN for PUT', async () => {
    const response = await registry.expectStatus(404, 'PUT', `${UNKNOWN_SESSION}?digest=${DIGEST}`, {
      body: CONTENT,
    })
    expect(response.code).toBe('BLOB_UPLOAD_UNKNOWN')
  })

  it.each(['x', 'AAAAAAAA-AAAA-4AAA-8AAA-AAAAAAAAAAAA', '..'])(
    'is BLOB_UPLOAD_UNKNOWN with the malformed id %s',
    async id => {
      expect((await registry.expectStatus(404, 'GET', UPLOADS + id)).code).toBe('BLOB_UPLOAD_UNKNOWN')
    },
  )
})

describe('a session of another repository (CVE-2026-32589)', () => {
  it.each(['a', 'a/b/c', 'c'])('is unknown in %s, and is not changed', async other => {
    const location = await registry.beginUpload('a/b')
    await registry.expectStatus(202, 'PATCH', location, { body: CONTENT })
    const otherUrl = location.replace('/a/b/', `/${other}/`)
    for (const method of ['GET', 'PATCH', 'DELETE'])
      await registry.expectStatus(404, method, otherUrl, { body: method === 'PATCH' ? 'more' : '' })
    await registry.expectStatus(404, 'PUT', `${otherUrl}?digest=${DIGEST}`)
    await registry.expectStatus(404, 'GET', `/v2/${other}/blobs/${DIGEST}`)
    await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`)
  })
})

it('a blob has the same content after uploads by different requests', async () => {
  const location = await registry.beginUpload('a/b')
  await registry.expectStatus(201, 'PUT', `${location}?digest=${DIGEST}`, { body: CONTENT })
  await registry.pushBlob('a/b', CONTENT)
  await registry.pushBlob('c', CONTENT)
  expect(await contentOf(DIGEST)).toBe(CONTENT)
})
