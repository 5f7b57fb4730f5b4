import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDigest } from '../../../lambda/protocol/digest.ts'
import { anyDigest, anyText, repositoryName, uploadId } from '../../support/arbitraries.ts'
import {
  type EdgeRequest,
  type EdgeResponse,
  type HeaderList,
  toEdgeHeaders,
  toEdgeRequest,
} from '../../support/edge-event.ts'
import { runs } from '../../support/property-runs.ts'
import {
  DIGEST,
  decide,
  direct,
  ID,
  MiB,
  pullTarget,
  SHA512,
  sent,
  sized,
  uploadPath,
  uploadTarget,
  viewerResponse,
} from './fixture.ts'

/** The headers that S3 adds to every response. */
const S3_HEADERS: HeaderList = [
  ['x-amz-id-2', 'abc'],
  ['x-amz-request-id', 'DEF'],
  ['x-amz-server-side-encryption', 'AES256'],
  ['x-amz-checksum-sha256', 'AAAA'],
  ['Server', 'AmazonS3'],
  ['Date', 'Fri, 20 Nov 2026 00:00:00 GMT'],
  ['ETag', '"d41d8cd98f00b204e9800998ecf8427e"'],
]

const originResponse = (statusCode: number, headers: HeaderList = S3_HEADERS): EdgeResponse => ({
  statusCode,
  statusDescription: 'OK',
  headers: toEdgeHeaders(headers),
  cookies: {},
})

/**
 * The two requests that CloudFront may pass to the function: the client's, and the one that viewer-request.js returned.
 */
async function bothViews(method: string, target: string, headers: HeaderList = []): Promise<EdgeRequest[]> {
  return [toEdgeRequest(method, target, headers), sent(await decide(method, target, headers))]
}

describe('the response of S3 to an upload', () => {
  const uploads = () => bothViews('PUT', uploadTarget(), sized(2 * MiB))

  it('becomes the 201 response of a registry', async () => {
    for (const request of await uploads()) {
      const response = await viewerResponse.viewerResponse(
        request,
        originResponse(200, [...S3_HEADERS, ['Content-Length', '0']]),
      )

      expect(response).toMatchObject({ statusCode: 201, statusDescription: 'Created' })
      expect(response.headers).toEqual({
        'content-length': { value: '0' },
        date: { value: 'Fri, 20 Nov 2026 00:00:00 GMT' },
        'docker-content-digest': { value: DIGEST },
        'docker-distribution-api-version': { value: 'registry/2.0' },
        location: { value: `/v2/team/app/blobs/${DIGEST}` },
        'x-content-type-options': { value: 'nosniff' },
      })
      expect(response.body).toBeUndefined()
    }
  })

  it('contains the repository and the digest, for any of them', async () => {
    const sha256 = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map(bytes => parseDigest(`sha256:${Buffer.from(bytes).toString('hex')}`))
    await fc.assert(
      fc.asyncProperty(uploadId, repositoryName, sha256, async (id, name, digest) => {
        const target = uploadTarget({ id, name }, encodeURIComponent(digest))
        for (const request of await bothViews('PUT', target, sized(2 * MiB))) {
          const { headers } = await viewerResponse.viewerResponse(request, originResponse(200))

          expect(headers.location).toEqual({ value: `/v2/${name}/blobs/${digest}` })
          expect(headers['docker-content-digest']).toEqual({ value: digest })
        }
      }),
    )
  })

  it('contains the digest of a query in which the client encoded every character', async () => {
    const query = `d%69gest=${encodeURIComponent(DIGEST).replace('s', '%73')}&${direct()}`
    const request = toEdgeRequest('PUT', `${uploadPath()}?${query}`, sized(2 * MiB))

    const response = await viewerResponse.viewerResponse(request, originResponse(200))

    expect(response.headers['docker-content-digest']).toEqual({ value: DIGEST })
  })

  it('is unchanged when its status is not 200', async () => {
    for (const request of await uploads())
      for (const status of [201, 202, 204, 304, 307])
        expect(await viewerResponse.viewerResponse(request, originResponse(status))).toEqual(
          originResponse(status),
        )
  })
})

describe('the response of S3 to a pull', () => {
  const pulls = (method = 'GET', target = pullTarget()) => bothViews(method, target)

  it.each([200, 206, 304])('of status %i gets the headers of a registry', async status => {
    for (const method of ['GET', 'HEAD'])
      for (const request of await pulls(method)) {
        const response = await viewerResponse.viewerResponse(request, originResponse(status))

        expect(response.statusCode).toBe(status)
        expect(response.headers).toMatchObject({
          'docker-content-digest': { value: DIGEST },
          'docker-distribution-api-version': { value: 'registry/2.0' },
          'x-content-type-options': { value: 'nosniff' },
        })
      }
  })

  it('keeps the headers that a client needs to resume a download', async () => {
    const headers: HeaderList = [
      ...S3_HEADERS,
      ['Accept-Ranges', 'bytes'],
      ['Content-Length', '5'],
      ['Content-Range', 'bytes 5-9/10'],
      ['Content-Type', 'binary/octet-stream'],
      ['Last-Modified', 'Thu, 19 Nov 2026 00:00:00 GMT'],
    ]
    for (const request of await pulls()) {
      const response = await viewerResponse.viewerResponse(request, originResponse(206, headers))

      expect(response.headers).toEqual({
        'accept-ranges': { value: 'bytes' },
        'content-length': { value: '5' },
        'content-range': { value: 'bytes 5-9/10' },
        'content-type': { value: 'application/octet-stream' },
        date: { value: 'Fri, 20 Nov 2026 00:00:00 GMT' },
        'docker-content-digest': { value: DIGEST },
        'docker-distribution-api-version': { value: 'registry/2.0' },
        etag: { value: '"d41d8cd98f00b204e9800998ecf8427e"' },
        'last-modified': { value: 'Thu, 19 Nov 2026 00:00:00 GMT' },
        'x-content-type-options': { value: 'nosniff' },
      })
    }
  })

  it('contains the digest of the signed URL, for any object', async () => {
    const object = fc
      .tuple(uploadId, fc.option(repositoryName))
      .map(([id, name]) => (name === null ? `blobs/${id}` : `direct/${id}/${name}`))
    await fc.assert(
      fc.asyncProperty(object, fc.oneof(anyDigest, fc.constant(SHA512)), async (key, digest) => {
        for (const request of await pulls('GET', pullTarget(key, { digest }))) {
          const { headers } = await viewerResponse.viewerResponse(request, originResponse(200))
          expect(headers['docker-content-digest']).toEqual({ value: digest })
        }
      }),
    )
  })

  it('contains the digest of a signed URL whose colon the client encoded', async () => {
    for (const request of await pulls('GET', pullTarget().replace(':', '%3A'))) {
      const { headers } = await viewerResponse.viewerResponse(request, originResponse(200))
      expect(headers['docker-content-digest']).toEqual({ value: DIGEST })
    }
  })
})

describe('the response of the API or the relay', () => {
  it.each<[string, string, HeaderList]>([
    ['GET', '/v2/', []],
    ['GET', '/v2/team/app/manifests/latest', [['docker-content-digest', SHA512]]],
    ['GET', `/v2/team/app/blobs/${DIGEST}`, []],
    ['HEAD', `/v2/pull/1.x/blobs/${DIGEST}`, []],
    ['POST', '/v2/team/app/blobs/uploads/', []],
    ['PATCH', uploadPath(), sized(5)],
    ['PUT', '/v2/team/app/manifests/latest', sized(5)],
    ['DELETE', uploadPath(), []],
  ])('is unchanged: %s %s', async (method, target, headers) => {
    const response = originResponse(200, [
      ...S3_HEADERS,
      ['Location', '/somewhere'],
      ['Content-Type', 'application/json'],
    ])

    expect(await viewerResponse.viewerResponse(toEdgeRequest(method, target, headers), response)).toEqual(
      response,
    )
  })

  it('never makes the function throw, for any request', async () => {
    const target = fc
      .array(
        fc.oneof(anyText, fc.constantFrom(uploadPath(), pullTarget(), '?digest=', 'direct=', '%', DIGEST)),
      )
      .map(pieces => `/${pieces.join('')}`)
    const method = fc.constantFrom('GET', 'HEAD', 'PUT', 'PATCH', '')
    const header = fc.tuple(
      fc.constantFrom('x-amz-checksum-sha256', 'docker-content-digest', `x-amz-meta-${ID}`),
      anyText.map(text => text.replace(/[\r\n\0]/g, '')),
    )
    await fc.assert(
      fc.asyncProperty(method, target, fc.array(header), async (verb, path, headers) => {
        const response = await viewerResponse.viewerResponse(
          toEdgeRequest(verb, path, headers),
          originResponse(200),
        )
        expect([200, 201]).toContain(response.statusCode)
      }),
      { numRuns: runs(200) },
    )
  })
})
