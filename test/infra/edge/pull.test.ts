import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyDigest, repositoryName, uploadId } from '../../support/arbitraries.ts'
import type { HeaderList } from '../../support/edge-event.ts'
import { runs } from '../../support/property-runs.ts'
import { edit, FOREIGN, isEquivalent } from './altered-requests.ts'
import {
  DIGEST,
  decide,
  direct,
  expectRefusal,
  HEX,
  ID,
  NOW,
  OTHER_KEY,
  pullTarget,
  roadOf,
  SHA512,
  SOON,
  sent,
  sized,
} from './fixture.ts'

describe('a pull through the edge', () => {
  it.each([`blobs/${ID}`, `direct/${ID}/team/app`])('reads %s from the bucket', async object => {
    const decision = await decide('GET', pullTarget(object))

    expect(roadOf(decision)).toBe('bucket')
    expect(sent(decision)).toMatchObject({ uri: `/${object}`, querystring: {}, cookies: {} })
  })

  it('works for HEAD, for SHA-512 and with an encoded colon', async () => {
    expect(roadOf(await decide('HEAD', pullTarget()))).toBe('bucket')
    expect(roadOf(await decide('GET', pullTarget(undefined, { digest: SHA512 })))).toBe('bucket')
    expect(roadOf(await decide('GET', pullTarget().replace(':', '%3A')))).toBe('bucket')
    expect(roadOf(await decide('GET', pullTarget().replace(':', '%3a')))).toBe('bucket')
  })

  it('keeps the headers of a range or conditional request, and no others of the client', async () => {
    const conditions: HeaderList = [
      ['Range', 'bytes=5-'],
      ['If-Range', '"etag"'],
      ['If-None-Match', '"etag"'],
      ['If-Modified-Since', 'Wed, 18 Nov 2026 00:00:00 GMT'],
      ['If-Unmodified-Since', 'Wed, 18 Nov 2026 00:00:00 GMT'],
    ]
    const headers: HeaderList = [
      ['Host', 'r.example'],
      ['Accept-Encoding', 'gzip'],
      ...conditions,
      ...FOREIGN,
    ]

    const request = sent(await decide('GET', `${pullTarget()}?response-content-type=text/html&ns=x`, headers))

    expect(request.headers).toEqual({
      host: { value: 'r.example' },
      range: { value: 'bytes=5-' },
      'if-range': { value: '"etag"' },
      'if-match': { value: '*' },
      'if-none-match': { value: '"etag"' },
      'if-modified-since': { value: 'Wed, 18 Nov 2026 00:00:00 GMT' },
      'if-unmodified-since': { value: 'Wed, 18 Nov 2026 00:00:00 GMT' },
      'docker-content-digest': { value: DIGEST },
    })
    expect(request.querystring).toEqual({})
  })

  it.each([
    ['is signed with another key', pullTarget(undefined, { key: OTHER_KEY })],
    ['has expired', pullTarget(undefined, { expires: NOW })],
    ['is for another object', pullTarget().replace(ID, ID.replace('6', '7'))],
    ['is for another digest', pullTarget().replace(HEX, HEX.replace('e', '0'))],
    ['has an altered expiry', pullTarget().replace(String(SOON), String(SOON + 1))],
    [
      'carries the signature of an upload',
      pullTarget().replace(/\d+\.[^/]+/, direct().slice('direct='.length)),
    ],
  ])('is refused when the URL %s', async (_, target) => {
    expectRefusal(await decide('GET', target), 'BLOB_UNKNOWN')
    expectRefusal(await decide('HEAD', target), 'BLOB_UNKNOWN', 'HEAD')
  })

  it.each([
    ['an empty path', '/pull/'],
    ['no signature', '/pull/x'],
    ['a tail', pullTarget(`tails/${ID}/0`)],
    ['another prefix', pullTarget(`other/${ID}`)],
    ['a repository after a blob', pullTarget(`blobs/${ID}/team/app`)],
    ['a direct upload without a repository', pullTarget(`direct/${ID}`)],
    ['an invalid repository name', pullTarget(`direct/${ID}/Team`)],
    ['an id in upper case', pullTarget(`blobs/${ID.toUpperCase()}`)],
    ['two dots', pullTarget(`blobs/${ID}/../${ID}`)],
    ['a slash at the end', `${pullTarget()}/`],
    ['an encoded slash', pullTarget().replace('/blobs', '%2Fblobs')],
    ['two slashes', pullTarget().replace('/blobs', '//blobs')],
    ['an encoded digit', pullTarget().replace(ID, ID.replace('6', '%36'))],
    ['a digest in upper case', pullTarget().replace(HEX, HEX.toUpperCase())],
  ])('is NOT_FOUND, signed or not, for %s', async (_, target) => {
    expectRefusal(await decide('GET', target), 'NOT_FOUND')
  })

  it('is forwarded to the API for a preflight request, because the API has the list of origins', async () => {
    expect(roadOf(await decide('OPTIONS', pullTarget()))).toBe('api')
  })

  it.each(['PUT', 'POST', 'PATCH', 'DELETE', 'get'])('is refused for the method %s', async method => {
    const decision = await decide(method, pullTarget())

    expectRefusal(decision, 'UNSUPPORTED')
    expect(decision).toHaveProperty('response.headers.allow', { value: 'GET, HEAD' })
  })

  it.each<[string, HeaderList]>([
    ['a Content-Length above 0', sized(1)],
    ['chunked transfer encoding', [['Transfer-Encoding', 'chunked']]],
  ])('is refused with a body: %s', async (_, headers) => {
    expectRefusal(await decide('GET', pullTarget(), headers), 'BAD_REQUEST')
    expect(roadOf(await decide('GET', pullTarget(), sized(0)))).toBe('bucket')
  })

  it('never reaches the bucket when the path was altered', async () => {
    const target = pullTarget(`direct/${ID}/team/app`)
    await fc.assert(
      fc.asyncProperty(edit(target), async altered => {
        fc.pre(!isEquivalent(altered, target))

        expect(roadOf(await decide('GET', altered))).not.toBe('bucket')
      }),
      { numRuns: runs(300) },
    )
  })

  it('is accepted until its expiry and no longer, for any object', async () => {
    const seconds = fc.integer({ min: -1_000_000, max: 1_000_000 })
    await fc.assert(
      fc.asyncProperty(uploadId, repositoryName, anyDigest, seconds, async (id, name, digest, left) => {
        const target = pullTarget(`direct/${id}/${name}`, { digest, expires: NOW + left })

        expect(roadOf(await decide('GET', target))).toBe(left > 0 ? 'bucket' : 'edge')
      }),
    )
  })
})
