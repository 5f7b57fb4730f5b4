import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRepositoryName } from '../../../lambda/protocol/name.ts'
import { anyDigest, anyText, repositoryName, uploadId } from '../../support/arbitraries.ts'
import type { HeaderList } from '../../support/edge-event.ts'
import { runs } from '../../support/property-runs.ts'
import {
  CHECKSUM,
  DIGEST,
  decide,
  direct,
  expectRefusal,
  HEX,
  ID,
  KEY,
  KEYS,
  MiB,
  NOW,
  OTHER_KEY,
  pullTarget,
  roadOf,
  SHA512,
  SOON,
  sent,
  sized,
  uploadPath,
  uploadTarget,
  WITH_RELAY,
} from './fixture.ts'

/** What no viewer may tell S3, and what it may not tell anybody. */
const FOREIGN: HeaderList = [
  ['Authorization', 'Basic dXNlcjpwYXNz'],
  ['Cookie', 'session=1'],
  ['Content-MD5', 'AAAAAAAAAAAAAAAAAAAAAA=='],
  ['Content-Encoding', 'aws-chunked'],
  ['Content-Type', 'text/html'],
  ['If-Match', '*'],
  ['X-Amz-Acl', 'public-read'],
  ['X-Amz-Checksum-Sha256', 'AAAA'],
  ['x-amz-copy-source', '/bucket/blobs/other'],
  ['X-Amz-Grant-Full-Control', 'uri=all'],
  ['X-Amz-Meta-A', '1'],
  ['X-Amz-Meta-A', '2'],
  ['X-Amz-Storage-Class', 'GLACIER'],
  ['X-Amz-Tagging', 'a=b'],
  ['X-Longshore-Edge', 'guessed'],
]

describe('a whole blob in one PUT on a signed upload URL', () => {
  it('goes to the bucket, under the name of its session and repository', async () => {
    const decision = await decide('PUT', uploadTarget(), sized(2 * MiB))

    expect(roadOf(decision)).toBe('bucket')
    expect(sent(decision)).toMatchObject({ uri: `/direct/${ID}/team/app`, querystring: {} })
  })

  it('tells S3 to verify the digest and never to write over an object', async () => {
    const request = sent(await decide('PUT', uploadTarget(), sized(2 * MiB)))

    expect(request.headers).toEqual({
      'content-length': { value: String(2 * MiB) },
      'content-type': { value: 'application/octet-stream' },
      'if-none-match': { value: '*' },
      'x-amz-checksum-sha256': { value: CHECKSUM },
    })
  })

  it('brings nothing else that the viewer said', async () => {
    const headers: HeaderList = [...sized(2 * MiB), ['Host', 'r.example'], ['Via', '1.1 proxy'], ...FOREIGN]

    const request = sent(await decide('PUT', uploadTarget(), headers))

    expect(Object.keys(request.headers).sort()).toEqual([
      'content-length',
      'content-type',
      'host',
      'if-none-match',
      'via',
      'x-amz-checksum-sha256',
    ])
    expect(request.headers['x-amz-checksum-sha256']).toEqual({ value: CHECKSUM })
    expect(request.cookies).toEqual({})
  })

  it.each([
    ['digest appended with a second ?', `${uploadPath()}?${direct()}?digest=${DIGEST}`],
    ['slash at the end of its path', `${uploadPath()}/?${direct()}&digest=${DIGEST}`],
  ])('may have a %s', async (_, target) => {
    const decision = await decide('PUT', target, sized(2 * MiB))

    expect(roadOf(decision)).toBe('bucket')
    expect(sent(decision).uri).toBe(`/direct/${ID}/team/app`)
  })

  it('may have a digest that is not percent-encoded, and a parameter that containerd adds', async () => {
    const target = `${uploadPath()}?${direct()}&digest=${DIGEST}&ns=registry.example`

    expect(roadOf(await decide('PUT', target, sized(2 * MiB)))).toBe('bucket')
  })

  it('is accepted however a client orders and encodes the query', async () => {
    const encoded = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(
      seed => (text: string) =>
        [...text]
          .map((character, at) => {
            const hex = character.charCodeAt(0).toString(16)
            return ((seed >> (at % 32)) & 1) === 0
              ? character
              : `%${(seed & 1) === 0 ? hex : hex.toUpperCase()}`
          })
          .join(''),
    )
    const others = fc.subarray(['ns=r.example', 'x', 'y=', 'direction=1', 'x=%zz'])
    const query = (parameters: string[]) => fc.shuffledSubarray(parameters, { minLength: parameters.length })
    const upload = fc.record({
      id: uploadId,
      name: repositoryName,
      expires: fc.integer({ min: NOW + 1, max: 1e12 - 1 }),
    })
    const request = upload.chain(signed =>
      fc
        .tuple(encoded, others)
        .chain(([encode, more]) => {
          const known = [direct(signed), `digest=${DIGEST}`].map(one => one.split('=').map(encode).join('='))
          return query([...known, ...more])
        })
        .map(parameters => ({ ...signed, parameters })),
    )
    await fc.assert(
      fc.asyncProperty(request, async ({ id, name, parameters }) => {
        const decision = await decide(
          'PUT',
          `${uploadPath(name, id)}?${parameters.join('&')}`,
          sized(2 * MiB),
        )

        expect(roadOf(decision)).toBe('bucket')
        expect(sent(decision).uri).toBe(`/direct/${id}/${name}`)
        expect(sent(decision).headers['x-amz-checksum-sha256']).toEqual({ value: CHECKSUM })
      }),
    )
  })

  it('asks S3 for the digest that its query names, whichever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async bytes => {
        const digest = `sha256:${Buffer.from(bytes).toString('hex')}`

        const request = sent(await decide('PUT', uploadTarget({}, digest), sized(2 * MiB)))

        const checksum = request.headers['x-amz-checksum-sha256']?.value ?? ''
        expect(Buffer.from(checksum, 'base64')).toEqual(Buffer.from(bytes))
      }),
    )
  })

  it('is verified against the key before the newest too', async () => {
    const items = { keys: `${OTHER_KEY},${KEY}` }

    expect(roadOf(await decide('PUT', uploadTarget(), sized(2 * MiB), { items }))).toBe('bucket')
    expect(roadOf(await decide('PUT', uploadTarget({ key: OTHER_KEY }), sized(2 * MiB), { items }))).toBe(
      'bucket',
    )
  })

  it('is for the name of a repository, and as long a name as the registry takes', async () => {
    const names = fc.oneof(
      repositoryName,
      fc.string({ unit: fc.constantFrom(...'aaaa09Z/._-'), minLength: 1, maxLength: 12 }),
      fc.integer({ min: 250, max: 260 }).map(length => 'a'.repeat(length)),
    )
    await fc.assert(
      fc.asyncProperty(names, async name => {
        const road = roadOf(await decide('PUT', uploadTarget({ name }), sized(2 * MiB)))

        expect(road === 'bucket').toBe(isName(name))
      }),
    )
  })
})

describe('an upload URL that the edge refuses', () => {
  it.each([
    ['was signed with another key', uploadTarget({ key: OTHER_KEY })],
    ['has expired', uploadTarget({ expires: NOW })],
    ['was signed for another repository', `${uploadPath('team/other')}?${direct()}&digest=${DIGEST}`],
    [
      'was signed for another session',
      `${uploadPath('team/app', ID.replace('6', '7'))}?${direct()}&digest=${DIGEST}`,
    ],
    ['was given another time', uploadTarget().replace(String(SOON), String(SOON + 1))],
    [
      'carries the signature of a pull',
      `${uploadPath()}?direct=${pullTarget().split('/')[2]}&digest=${DIGEST}`,
    ],
    ['has two signatures, one of them good', `${uploadTarget()}&direct=1.${'A'.repeat(43)}`],
    ['has its signature twice', `${uploadTarget()}&${direct()}`],
    ['has an empty signature', `${uploadPath()}?direct=&digest=${DIGEST}`],
    ['has a signature without a value', `${uploadPath()}?direct&digest=${DIGEST}`],
    ['has a signature that is not percent-encoded right', `${uploadPath()}?direct=%zz&digest=${DIGEST}`],
    ['has a line break behind its signature', `${uploadPath()}?${direct()}%0A&digest=${DIGEST}`],
    ['is encoded twice', `${uploadPath()}?${direct().replace('.', '%252E')}&digest=${DIGEST}`],
  ])('%s', async (_, target) => {
    expectRefusal(await decide('PUT', target, sized(2 * MiB)), 'BLOB_UPLOAD_UNKNOWN')
  })

  it.each([
    ['no digest', `${uploadPath()}?${direct()}`],
    ['an empty digest', uploadTarget({}, '')],
    ['a digest in upper case', uploadTarget({}, `sha256:${HEX.toUpperCase()}`)],
    ['a digest that is too short', uploadTarget({}, DIGEST.slice(0, -1))],
    ['a digest that is too long', uploadTarget({}, `${DIGEST}0`)],
    ['a digest with a line break', uploadTarget({}, `${DIGEST}%0A`)],
    ['an unknown algorithm', uploadTarget({}, `md5:${HEX}`)],
    ['two digests', `${uploadTarget()}&digest=sha256:${HEX.replace('e', '0')}`],
    ['a digest encoded twice', uploadTarget({}, DIGEST.replace(':', '%253A'))],
    ['malformed percent-encoding', uploadTarget({}, DIGEST.replace(':', '%3'))],
  ])('has %s', async (_, target) => {
    expectRefusal(await decide('PUT', target, sized(2 * MiB)), 'DIGEST_INVALID')
  })

  it('never reaches the bucket when anything signed was altered', async () => {
    const target = uploadTarget()
    await fc.assert(
      fc.asyncProperty(edit(target), async altered => {
        fc.pre(!saysTheSame(altered, target))

        expect(roadOf(await decide('PUT', altered, sized(2 * MiB)))).not.toBe('bucket')
      }),
      { numRuns: runs(300) },
    )
  })
})

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

describe('a pull by the edge', () => {
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

  it('brings what GET needs and nothing else that the viewer said', async () => {
    const asked: HeaderList = [
      ['Range', 'bytes=5-'],
      ['If-Range', '"etag"'],
      ['If-None-Match', '"etag"'],
      ['If-Modified-Since', 'Wed, 18 Nov 2026 00:00:00 GMT'],
      ['If-Unmodified-Since', 'Wed, 18 Nov 2026 00:00:00 GMT'],
    ]
    const headers: HeaderList = [['Host', 'r.example'], ['Accept-Encoding', 'gzip'], ...asked, ...FOREIGN]

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
    ['is for another time', pullTarget().replace(String(SOON), String(SOON + 1))],
    [
      'carries the signature of an upload',
      pullTarget().replace(/\d+\.[^/]+/, direct().slice('direct='.length)),
    ],
  ])('is refused when the link %s', async (_, target) => {
    expectRefusal(await decide('GET', target), 'BLOB_UNKNOWN')
    expectRefusal(await decide('HEAD', target), 'BLOB_UNKNOWN', 'HEAD')
  })

  it.each([
    ['nothing', '/pull/'],
    ['no link', '/pull/x'],
    ['a tail', pullTarget(`tails/${ID}/0`)],
    ['another prefix', pullTarget(`other/${ID}`)],
    ['more than an object', pullTarget(`blobs/${ID}/team/app`)],
    ['less than an object', pullTarget(`direct/${ID}`)],
    ['no repository', pullTarget(`direct/${ID}/Team`)],
    ['an id in upper case', pullTarget(`blobs/${ID.toUpperCase()}`)],
    ['two dots', pullTarget(`blobs/${ID}/../${ID}`)],
    ['a slash at the end', `${pullTarget()}/`],
    ['an encoded slash', pullTarget().replace('/blobs', '%2Fblobs')],
    ['two slashes', pullTarget().replace('/blobs', '//blobs')],
    ['an encoded digit', pullTarget().replace(ID, ID.replace('6', '%36'))],
    ['a digest in upper case', pullTarget().replace(HEX, HEX.toUpperCase())],
  ])('does not exist, signed or not, with %s', async (_, target) => {
    expectRefusal(await decide('GET', target), 'NOT_FOUND')
  })

  it('leaves the preflight of a browser to the API, which knows the pages that may read', async () => {
    expect(roadOf(await decide('OPTIONS', pullTarget()))).toBe('api')
  })

  it.each(['PUT', 'POST', 'PATCH', 'DELETE', 'get'])('is no end-point for %s', async method => {
    const decision = await decide(method, pullTarget())

    expectRefusal(decision, 'UNSUPPORTED')
    expect(decision).toHaveProperty('response.headers.allow', { value: 'GET, HEAD' })
  })

  it.each<[string, HeaderList]>([
    ['a length', sized(1)],
    ['chunks', [['Transfer-Encoding', 'chunked']]],
  ])('has no body: %s', async (_, headers) => {
    expectRefusal(await decide('GET', pullTarget(), headers), 'BAD_REQUEST')
    expect(roadOf(await decide('GET', pullTarget(), sized(0)))).toBe('bucket')
  })

  it('never reaches the bucket when anything of the path was altered', async () => {
    const target = pullTarget(`direct/${ID}/team/app`)
    await fc.assert(
      fc.asyncProperty(edit(target), async altered => {
        fc.pre(!saysTheSame(altered, target))

        expect(roadOf(await decide('GET', altered))).not.toBe('bucket')
      }),
      { numRuns: runs(300) },
    )
  })

  it('works until its time and no longer, whatever it names', async () => {
    const seconds = fc.integer({ min: -1_000_000, max: 1_000_000 })
    await fc.assert(
      fc.asyncProperty(uploadId, repositoryName, anyDigest, seconds, async (id, name, digest, left) => {
        const target = pullTarget(`direct/${id}/${name}`, { digest, expires: NOW + left })

        expect(roadOf(await decide('GET', target))).toBe(left > 0 ? 'bucket' : 'edge')
      }),
    )
  })
})

describe('a KeyValueStore', () => {
  const surroundings = [
    ['is not there', undefined],
    ['has no keys', {}],
    ['has an empty list of keys', { keys: '' }],
    ['has nothing but commas', { keys: ',,' }],
    ['has a key that is too short', { keys: KEY.slice(1) }],
    ['has keys of another form', { keys: `{"current":"${KEY}"}` }],
  ] as const

  it.each(surroundings)('that %s lets nothing through to the bucket', async (_, items) => {
    expectRefusal(await decide('PUT', uploadTarget(), sized(2 * MiB), { items }), 'UNAVAILABLE')
    expectRefusal(await decide('GET', pullTarget(), [], { items }), 'UNAVAILABLE')
    expectRefusal(await decide('HEAD', pullTarget(), [], { items }), 'UNAVAILABLE', 'HEAD')
  })

  it('that has an empty key does not let anybody sign', async () => {
    const text = `upload\n${ID}\nteam/app\n${SOON}`
    const forged = `direct=${SOON}.${createHmac('sha256', '').update(text).digest('base64url')}`

    for (const keys of ['', ',', `${KEY},`]) {
      const target = `${uploadPath()}?${forged}&digest=${DIGEST}`
      expect(roadOf(await decide('PUT', target, sized(2 * MiB), { items: { keys } }))).toBe('edge')
    }
  })

  it('that is not there tells when to come back', async () => {
    const decision = await decide('GET', pullTarget(), [], { items: undefined })

    expect(decision).toHaveProperty('response.headers.retry-after.value', '5')
  })

  it('that is not there does not keep the API from being asked', async () => {
    expect(roadOf(await decide('GET', '/v2/', [], { items: undefined }))).toBe('api')
    expect(roadOf(await decide('PUT', uploadTarget(), sized(5), { items: undefined }))).toBe('api')
    expectRefusal(await decide('PATCH', uploadPath(), sized(5), { items: undefined }), 'UNAVAILABLE')
  })
})

describe('everything else', () => {
  it.each([
    '/',
    '/healthz',
    '/v2/',
    '/v2/_catalog?n=10',
    '/v2/team/app/tags/list',
    '/v2/team/app/manifests/latest',
    `/v2/team/app/blobs/${DIGEST}`,
    `/v2/team/app/blobs/${DIGEST.replace(':', '%3A')}`,
    `/v2/team/app/referrers/${DIGEST}?artifactType=a%2Fb`,
    '/v2/team/app/manifests/latest?tag=%zz',
    `/blobs/${ID}`,
    `/direct/${ID}/team/app`,
    `/tails/${ID}/0`,
    '/pull',
  ])('goes to the API as it came: %s', async target => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const headers: HeaderList = [['Authorization', 'Basic x'], ['x-amz-meta-a', 'b'], ...sized(3)]
      const decision = await decide(method, target, headers)

      expect(roadOf(decision)).toBe('api')
      expect(sent(decision).uri).toBe(target.split('?')[0])
      expect(Object.keys(sent(decision).headers)).toEqual(['authorization', 'x-amz-meta-a', 'content-length'])
    }
  })

  it("loses the viewer's idea of the edge's secret, on every road", async () => {
    const guess: HeaderList = [
      ['X-Longshore-Edge', 'guessed'],
      ['X-Longshore-Edge', 'again'],
    ]
    const decisions = [
      await decide('GET', '/v2/', guess),
      await decide('PATCH', uploadPath(), [...sized(5), ...guess], { items: WITH_RELAY }),
      await decide('PUT', uploadTarget(), [...sized(2 * MiB), ...guess]),
      await decide('GET', pullTarget(), guess),
    ]

    expect(decisions.map(roadOf)).toEqual(['api', 'relay', 'bucket', 'bucket'])
    for (const decision of decisions) expect(sent(decision).headers).not.toHaveProperty('x-longshore-edge')
  })

  it.each([
    '*',
    'http://r.example/v2/',
    '',
    '/v2/%zz',
    '/v2/%',
    '/v2/%e9',
    '/pull/%ff',
    '/v2/a%0Ab',
    '/v2/%00',
  ])('with a malformed path is refused: %j', async target => {
    expectRefusal(await decide('GET', target), 'BAD_REQUEST')
  })

  it.each([
    '/v2/../direct/x',
    '/v2/a/./manifests/b',
    '/v2/a/..',
    '//v2/',
    '/v2//blobs',
    '/v2/a%2Fb/manifests/c',
    '/v2/%2e%2e/direct',
    '/v2/a\\b',
    '/v2/a%5Cb',
    '/v2/a%3Fb',
    '/v2/a%252Fb',
    `/v2/team%2fapp/blobs/uploads/${ID}`,
  ])('with a path that two origins may read in two ways does not exist: %s', async target => {
    expectRefusal(await decide('GET', target), 'NOT_FOUND')
    expectRefusal(await decide('PUT', target, sized(2 * MiB)), 'NOT_FOUND')
  })

  it('is answered with an error document or goes to the API or the relay, whatever it is', async () => {
    const piece = fc.oneof(
      anyText,
      fc.constantFrom('/v2/', '/pull/', '/direct/', 'team/app', '/blobs/uploads/', ID, HEX, DIGEST, '?', '&'),
      fc.constantFrom('direct=', 'digest=', direct(), '%2F', '%', '..', '//', '__proto__', 'constructor='),
    )
    const target = fc.array(piece, { maxLength: 8 }).map(pieces => `/${pieces.join('')}`)
    const method = fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', '')
    const header = fc.tuple(
      fc.constantFrom(
        'content-length',
        'transfer-encoding',
        'host',
        'range',
        'x-amz-acl',
        '__proto__',
        'cookie',
      ),
      fc
        .oneof(anyText, fc.constantFrom('0', '1', '9999999', 'chunked'))
        .map(text => text.replace(/[\r\n\0]/g, '')),
    )
    const items = fc.option(fc.dictionary(fc.constantFrom('keys', 'relay'), anyText), { nil: undefined })
    await fc.assert(
      fc.asyncProperty(method, target, fc.array(header), items, async (verb, path, headers, store) => {
        const decision = await decide(verb, path, headers, { items: store })

        if ('response' in decision) {
          const { statusCode, headers: said, body } = decision.response
          expect([400, 404, 405, 413, 503]).toContain(statusCode)
          expect(said['content-type']).toEqual({ value: 'application/json' })
          if (verb !== 'HEAD') expect(JSON.parse((body as { data: string }).data).errors).toHaveLength(1)
        } else expect(roadOf(decision)).not.toBe('bucket')
      }),
      { numRuns: runs(300) },
    )
  })
})

function isName(text: string): boolean {
  try {
    parseRepositoryName(text)
    return true
  } catch {
    return false
  }
}

/** One character replaced, removed or put in. */
function edit(text: string): fc.Arbitrary<string> {
  const character = fc.oneof(
    fc.constantFrom(...'0123456789abcdefABCDEF/.-_:%?&=+~#\\ \n'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).map(one => one.toWellFormed()),
  )
  const at = fc.nat({ max: text.length })
  return fc
    .tuple(at, fc.constantFrom(0, 1), character, fc.boolean())
    .map(([from, removed, put, puts]) => text.slice(0, from) + (puts ? put : '') + text.slice(from + removed))
}

/** The digest of an upload is the client's to choose, and S3 holds it to it. An order or a further parameter says nothing. */
function saysTheSame(one: string, other: string): boolean {
  const said = (target: string) => {
    const [path, query = ''] = target.split(/\?(.*)/s)
    return [path, ...new URLSearchParams(query).getAll('direct')].join(' ')
  }
  return said(one) === said(other)
}
