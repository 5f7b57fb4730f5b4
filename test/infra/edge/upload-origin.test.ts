import { describe, expect, it } from 'vitest'
import type { HeaderList } from '../../support/edge-event.ts'
import {
  DIGEST,
  decide,
  expectRefusal,
  KEYS,
  MiB,
  roadOf,
  SHA512,
  sized,
  uploadPath,
  uploadTarget,
  WITH_RELAY,
} from './fixture.ts'

describe('an upload that does not go straight to the bucket', () => {
  const chunked: HeaderList = [['Transfer-Encoding', 'chunked']]
  const unsigned = `${uploadPath()}?digest=${DIGEST}`
  const posted = `/v2/team/app/blobs/uploads/?digest=${DIGEST}`

  it.each<[string, string, string, HeaderList]>([
    ['a PUT of a session that has bytes', 'PUT', unsigned, sized(2 * MiB)],
    ['a PUT with a SHA-512', 'PUT', uploadTarget({}, SHA512), sized(2 * MiB)],
    ['a PUT in chunks', 'PUT', uploadTarget(), chunked],
    ['a PUT in chunks that also states a length', 'PUT', uploadTarget(), [...chunked, ...sized(2 * MiB)]],
    ['a PUT without a length', 'PUT', uploadTarget(), []],
    ['a small PATCH', 'PATCH', uploadPath(), sized(1)],
    ['a PATCH in chunks', 'PATCH', uploadPath(), chunked],
    ['a POST with a blob', 'POST', posted, sized(2 * MiB)],
    ['a POST with a blob in chunks', 'POST', posted, chunked],
    ['a POST without the last slash', 'POST', posted.replace('/?', '?'), sized(2 * MiB)],
  ])('is for the relay where there is one, else for the API: %s', async (_, method, target, headers) => {
    expect(roadOf(await decide(method, target, headers, { items: WITH_RELAY }))).toBe('relay')
    expect(roadOf(await decide(method, target, headers))).toBe('api')
    expect(roadOf(await decide(method, target, headers, { items: { ...KEYS, relay: 'off' } }))).toBe('api')
  })

  it.each<[string, string, string, HeaderList]>([
    ['a small PUT, signed or not', 'PUT', uploadTarget(), sized(MiB)],
    ['the PUT that closes a session', 'PUT', unsigned, sized(0)],
    ['a POST that only opens a session', 'POST', '/v2/team/app/blobs/uploads/', sized(0)],
    ['a POST that mounts', 'POST', `/v2/a/blobs/uploads/?mount=${DIGEST}&from=b`, sized(0)],
    ['a POST with a small blob', 'POST', posted, sized(MiB)],
    ['the status of a session', 'GET', uploadPath(), []],
    ['the end of a session', 'DELETE', uploadPath(), []],
    ['a method in lower case', 'put', uploadTarget(), sized(2 * MiB)],
  ])('is for the API, relay or not: %s', async (_, method, target, headers) => {
    expect(roadOf(await decide(method, target, headers, { items: WITH_RELAY }))).toBe('api')
    expect(roadOf(await decide(method, target, headers))).toBe('api')
  })

  it('is larger than S3 takes in one PUT', async () => {
    const headers = sized(5 * 1024 * MiB + 1)

    expect(roadOf(await decide('PUT', uploadTarget(), headers, { items: WITH_RELAY }))).toBe('relay')
    expectRefusal(await decide('PUT', uploadTarget(), headers), 'CONTENT_TOO_LARGE')
    expect(roadOf(await decide('PUT', uploadTarget(), sized(5 * 1024 * MiB)))).toBe('bucket')
  })
})

describe('a body that the API cannot take', () => {
  it.each([
    ['PUT', '/v2/team/app/manifests/latest'],
    ['PUT', `${uploadPath()}?digest=${DIGEST}`],
    ['PATCH', uploadPath()],
    ['POST', `/v2/team/app/blobs/uploads/?digest=${DIGEST}`],
    ['POST', '/token'],
    ['GET', '/v2/'],
  ])('is refused at the edge: %s %s', async (method, target) => {
    expectRefusal(await decide(method, target, sized(4 * MiB + 1)), 'CONTENT_TOO_LARGE')
    expect(roadOf(await decide(method, target, sized(4 * MiB)))).toBe('api')
  })

  it('is refused there too when a relay takes uploads', async () => {
    const decision = await decide('PUT', '/v2/a/manifests/latest', sized(5 * MiB), { items: WITH_RELAY })

    expectRefusal(decision, 'CONTENT_TOO_LARGE')
  })

  it.each(['-1', '1e9', '0x10', '1 2', '5, 5', '٣', '9'.repeat(16), ''])(
    'has a length that is none: %j',
    async length => {
      expectRefusal(await decide('PUT', uploadTarget(), [['Content-Length', length]]), 'BAD_REQUEST')
    },
  )

  it('has two lengths', async () => {
    expectRefusal(await decide('PUT', uploadTarget(), [...sized(5), ...sized(2 * MiB)]), 'BAD_REQUEST')
  })
})
