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

/** S3's own headers, as it puts them on everything. */
const OF_S3: HeaderList = [
  ['x-amz-id-2', 'abc'],
  ['x-amz-request-id', 'DEF'],
  ['x-amz-server-side-encryption', 'AES256'],
  ['x-amz-checksum-sha256', 'AAAA'],
  ['Server', 'AmazonS3'],
  ['Date', 'Fri, 20 Nov 2026 00:00:00 GMT'],
  ['ETag', '"d41d8cd98f00b204e9800998ecf8427e"'],
]

const answer = (statusCode: number, headers: HeaderList = OF_S3): EdgeResponse => ({
  statusCode,
  statusDescription: 'OK',
  headers: toEdgeHeaders(headers),
  cookies: {},
})

/** The two requests that CloudFront may show to the function: as it came, and as viewer-request.js left it. */
async function bothViews(method: string, target: string, headers: HeaderList = []): Promise<EdgeRequest[]> {
  return [toEdgeRequest(method, target, headers), sent(await decide(method, target, headers))]
}

describe('what S3 answers to an upload', () => {
  const uploads = () => bothViews('PUT', uploadTarget(), sized(2 * MiB))

  it('becomes the 201 of the registry', async () => {
    for (const request of await uploads()) {
      const response = await viewerResponse.viewerResponse(
        request,
        answer(200, [...OF_S3, ['Content-Length', '0']]),
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

  it('names the repository and the digest, whichever they are', async () => {
    const sha256 = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map(bytes => parseDigest(`sha256:${Buffer.from(bytes).toString('hex')}`))
    await fc.assert(
      fc.asyncProperty(uploadId, repositoryName, sha256, async (id, name, digest) => {
        const target = uploadTarget({ id, name }, encodeURIComponent(digest))
        for (const request of await bothViews('PUT', target, sized(2 * MiB))) {
          const { headers } = await viewerResponse.viewerResponse(request, answer(200))

          expect(headers.location).toEqual({ value: `/v2/${name}/blobs/${digest}` })
          expect(headers['docker-content-digest']).toEqual({ value: digest })
        }
      }),
    )
  })

  it('understands a query that the client encoded whole', async () => {
    const query = `d%69gest=${encodeURIComponent(DIGEST).replace('s', '%73')}&${direct()}`
    const request = toEdgeRequest('PUT', `${uploadPath()}?${query}`, sized(2 * MiB))

    const response = await viewerResponse.viewerResponse(request, answer(200))

    expect(response.headers['docker-content-digest']).toEqual({ value: DIGEST })
  })

  it('is left alone when it is no 200', async () => {
    for (const request of await uploads())
      for (const status of [201, 202, 204, 304, 307])
        expect(await viewerResponse.viewerResponse(request, answer(status))).toEqual(answer(status))
  })
})

describe('what S3 answers to a pull', () => {
  const pulls = (method = 'GET', target = pullTarget()) => bothViews(method, target)

  it.each([200, 206, 304])('with %i, says what the registry would', async status => {
    for (const method of ['GET', 'HEAD'])
      for (const request of await pulls(method)) {
        const response = await viewerResponse.viewerResponse(request, answer(status))

        expect(response.statusCode).toBe(status)
        expect(response.headers).toMatchObject({
          'docker-content-digest': { value: DIGEST },
          'docker-distribution-api-version': { value: 'registry/2.0' },
          'x-content-type-options': { value: 'nosniff' },
        })
      }
  })

  it('keeps what a client needs to go on with a download', async () => {
    const headers: HeaderList = [
      ...OF_S3,
      ['Accept-Ranges', 'bytes'],
      ['Content-Length', '5'],
      ['Content-Range', 'bytes 5-9/10'],
      ['Content-Type', 'binary/octet-stream'],
      ['Last-Modified', 'Thu, 19 Nov 2026 00:00:00 GMT'],
    ]
    for (const request of await pulls()) {
      const response = await viewerResponse.viewerResponse(request, answer(206, headers))

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

  it('names the digest of the link, whatever the object is', async () => {
    const object = fc
      .tuple(uploadId, fc.option(repositoryName))
      .map(([id, name]) => (name === null ? `blobs/${id}` : `direct/${id}/${name}`))
    await fc.assert(
      fc.asyncProperty(object, fc.oneof(anyDigest, fc.constant(SHA512)), async (key, digest) => {
        for (const request of await pulls('GET', pullTarget(key, { digest }))) {
          const { headers } = await viewerResponse.viewerResponse(request, answer(200))
          expect(headers['docker-content-digest']).toEqual({ value: digest })
        }
      }),
    )
  })

  it('understands a link whose colon the client encoded', async () => {
    for (const request of await pulls('GET', pullTarget().replace(':', '%3A'))) {
      const { headers } = await viewerResponse.viewerResponse(request, answer(200))
      expect(headers['docker-content-digest']).toEqual({ value: DIGEST })
    }
  })
})

describe('what the API or the relay answers', () => {
  it.each<[string, string, HeaderList]>([
    ['GET', '/v2/', []],
    ['GET', '/v2/team/app/manifests/latest', [['docker-content-digest', SHA512]]],
    ['GET', `/v2/team/app/blobs/${DIGEST}`, []],
    ['HEAD', `/v2/pull/1.x/blobs/${DIGEST}`, []],
    ['POST', '/v2/team/app/blobs/uploads/', []],
    ['PATCH', uploadPath(), sized(5)],
    ['PUT', '/v2/team/app/manifests/latest', sized(5)],
    ['DELETE', uploadPath(), []],
  ])('passes as it came: %s %s', async (method, target, headers) => {
    const response = answer(200, [...OF_S3, ['Location', '/somewhere'], ['Content-Type', 'application/json']])

    expect(await viewerResponse.viewerResponse(toEdgeRequest(method, target, headers), response)).toEqual(
      response,
    )
  })

  it('never makes the function throw, whatever was asked', async () => {
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
        const response = await viewerResponse.viewerResponse(toEdgeRequest(verb, path, headers), answer(200))
        expect([200, 201]).toContain(response.statusCode)
      }),
      { numRuns: runs(200) },
    )
  })
})
