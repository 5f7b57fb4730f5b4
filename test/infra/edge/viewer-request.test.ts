import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyText } from '../../support/arbitraries.ts'
import type { HeaderList } from '../../support/edge-event.ts'
import { runs } from '../../support/property-runs.ts'
import {
  DIGEST,
  decide,
  direct,
  expectRefusal,
  HEX,
  ID,
  KEY,
  MiB,
  pullTarget,
  roadOf,
  SOON,
  sent,
  sized,
  streamTarget,
  uploadPath,
  uploadTarget,
  WITH_RELAY,
} from './fixture.ts'

describe('a KeyValueStore', () => {
  const invalidStores = [
    ['does not exist', undefined],
    ['has no keys', {}],
    ['has an empty list of keys', { keys: '' }],
    ['has only commas', { keys: ',,' }],
    ['has a key that is too short', { keys: KEY.slice(1) }],
    ['has keys of another form', { keys: `{"current":"${KEY}"}` }],
  ] as const

  it.each(invalidStores)('that %s causes a 503 for every request to the bucket', async (_, items) => {
    expectRefusal(await decide('PUT', uploadTarget(), sized(2 * MiB), { items }), 'UNAVAILABLE')
    expectRefusal(await decide('GET', pullTarget(), [], { items }), 'UNAVAILABLE')
    expectRefusal(await decide('HEAD', pullTarget(), [], { items }), 'UNAVAILABLE', 'HEAD')
  })

  it('that has an empty key does not make signatures with that key valid', async () => {
    const text = `upload\n${ID}\nteam/app\n${SOON}`
    const forged = `direct=${SOON}.${createHmac('sha256', '').update(text).digest('base64url')}`

    for (const keys of ['', ',', `${KEY},`]) {
      const target = `${uploadPath()}?${forged}&digest=${DIGEST}`
      expect(roadOf(await decide('PUT', target, sized(2 * MiB), { items: { keys } }))).toBe('edge')
    }
  })

  it('that does not exist causes a 503 with Retry-After', async () => {
    const decision = await decide('GET', pullTarget(), [], { items: undefined })

    expect(decision).toHaveProperty('response.headers.retry-after.value', '5')
  })

  it('that does not exist does not affect requests to the API', async () => {
    expect(roadOf(await decide('GET', '/v2/', [], { items: undefined }))).toBe('api')
    expect(roadOf(await decide('PUT', '/v2/a/manifests/b', sized(5), { items: undefined }))).toBe('api')
    expectRefusal(await decide('PATCH', streamTarget(), sized(5), { items: undefined }), 'UNAVAILABLE')
    expectRefusal(await decide('PATCH', uploadPath(), sized(5), { items: undefined }), 'UNAVAILABLE')
  })
})

describe('any other request', () => {
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
  ])('is forwarded to the API unchanged: %s', async target => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const headers: HeaderList = [['Authorization', 'Basic x'], ['x-amz-meta-a', 'b'], ...sized(0)]
      const decision = await decide(method, target, headers)

      expect(roadOf(decision)).toBe('api')
      expect(sent(decision).uri).toBe(target.split('?')[0])
      expect(Object.keys(sent(decision).headers)).toEqual(['authorization', 'x-amz-meta-a', 'content-length'])
    }
  })

  it('loses an edge header that the client sent, for every origin', async () => {
    const guess: HeaderList = [
      ['X-Longshore-Edge', 'guessed'],
      ['X-Longshore-Edge', 'again'],
    ]
    const decisions = [
      await decide('GET', '/v2/', guess),
      await decide('PATCH', streamTarget(), [...sized(5 * MiB), ...guess], { items: WITH_RELAY }),
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
  ])('with a path that origins may interpret differently is NOT_FOUND: %s', async target => {
    expectRefusal(await decide('GET', target), 'NOT_FOUND')
    expectRefusal(await decide('PUT', target, sized(2 * MiB)), 'NOT_FOUND')
  })

  it('gets an error document or is forwarded to the API or the relay', async () => {
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
          expect([400, 401, 404, 405, 411, 413, 503]).toContain(statusCode)
          expect(said['content-type']).toEqual({ value: 'application/json' })
          if (verb !== 'HEAD') expect(JSON.parse((body as { data: string }).data).errors).toHaveLength(1)
        } else expect(roadOf(decision)).not.toBe('bucket')
      }),
      { numRuns: runs(300) },
    )
  })
})
