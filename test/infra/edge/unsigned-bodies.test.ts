import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyText } from '../../support/arbitraries.ts'
import type { HeaderList } from '../../support/edge-event.ts'
import { runs } from '../../support/property-runs.ts'
import {
  bearer,
  bearerWith,
  CHUNKED,
  DIGEST,
  decide,
  direct,
  expectRefusal,
  ID,
  KEYS,
  MiB,
  NOW,
  OTHER_KEY,
  roadOf,
  SLEEPING_RELAY,
  sized,
  stream,
  uploadPath,
  WITH_RELAY,
} from './fixture.ts'

const KiB = 2 ** 10
const MANIFEST = '/v2/team/app/manifests/latest'
const POSTED = `/v2/team/app/blobs/uploads/?digest=${DIGEST}`
const basic = (text: string): readonly [string, string] => [
  'Authorization',
  `Basic ${Buffer.from(text).toString('base64')}`,
]
const BASIC = basic('u:password')
const AUTH_OFF = { items: { ...KEYS, auth: 'off' } }

describe('a body of 64 KiB without a signature', () => {
  it.each([
    ['PUT', MANIFEST],
    ['POST', POSTED],
    ['POST', '/token'],
    ['PUT', '/api/policy'],
    ['POST', '/api/robots'],
  ])('passes: %s %s', async (method, target) => {
    expect(roadOf(await decide(method, target, sized(64 * KiB)))).toBe('api')
  })

  it.each([
    ['GET', '/v2/'],
    ['GET', '/api/policy'],
    ['GET', uploadPath()],
    ['DELETE', MANIFEST],
    ['POST', MANIFEST],
    ['PATCH', MANIFEST],
    ['POST', '/v2/team/app/blobs/uploads/'],
    ['POST', `/v2/team/app/blobs/uploads/?mount=${DIGEST}&from=team/base`],
    ['POST', uploadPath()],
    ['PUT', POSTED],
    ['PUT', '/token'],
    ['POST', '/other'],
    ['OPTIONS', '/v2/'],
    ['put', MANIFEST],
  ])('is refused on a path that accepts no body: %s %s', async (method, target) => {
    for (const headers of [sized(1), CHUNKED])
      expectRefusal(
        await decide(method, target, [...headers, bearer()], AUTH_OFF),
        'BAD_REQUEST',
        method,
        'this path accepts no request body',
      )
    expect(roadOf(await decide(method, target, sized(0)))).toBe('api')
  })
})

describe('a manifest', () => {
  it.each([
    ['a signed bearer token', bearer()],
    ['Basic credentials', BASIC],
    ['an AWS login', basic(`aws:https://sts.amazonaws.com/?X-Amz-Security-Token=${'a'.repeat(2000)}`)],
  ])('of up to 4 MiB passes with %s', async (_, login) => {
    expect(roadOf(await decide('PUT', MANIFEST, [...sized(4 * MiB), login]))).toBe('api')
    expectRefusal(await decide('PUT', MANIFEST, [...sized(4 * MiB + 1), login]), 'CONTENT_TOO_LARGE')
  })

  it.each([
    ['nothing', undefined],
    ['another scheme', ['Authorization', `Negotiate ${'a'.repeat(100)}`]],
    ['credentials that are too short', basic('u:passwor')],
    ['credentials that are no base64', ['Authorization', `Basic ${'%'.repeat(40)}`]],
    ['credentials longer than API Gateway accepts', basic(`u:${'p'.repeat(8000)}`)],
    ['a token that was signed with another key', bearer({ key: OTHER_KEY })],
    ['a token whose mark has expired', bearer({ expires: NOW })],
    ['a token without a mark', bearerWith({ alg: 'HS256' })],
    ['a token with a mark of another kind', bearerWith({ edge: stream().slice('stream='.length) })],
    ['a token whose header is no object', bearerWith(null)],
    ['a token whose header is no JSON', ['Authorization', 'Bearer abcd.e30.c2ln']],
  ] as const)('above 64 KiB needs a login: %s', async (_, login) => {
    const decision = await decide('PUT', MANIFEST, [
      ['Host', 'r.example'],
      ...sized(64 * KiB + 1),
      ...(login ? [login] : []),
    ])

    expectRefusal(decision, 'UNAUTHORIZED', 'PUT', 'a body above 64 KiB needs a login')
    expect(decision).toHaveProperty('response.headers.www-authenticate', {
      value:
        'Bearer realm="https://r.example/token",service="r.example",scope="repository:team/app:pull,push"',
    })
  })

  it('of unknown length, as jib sends it, needs a signed token', async () => {
    expect(roadOf(await decide('PUT', MANIFEST, [...CHUNKED, bearer()]))).toBe('api')
    for (const login of [[], [BASIC], [bearer({ key: OTHER_KEY })]])
      expectRefusal(await decide('PUT', MANIFEST, [...CHUNKED, ...login]), 'LENGTH_REQUIRED')
  })

  it('needs no login where authentication is off', async () => {
    expect(roadOf(await decide('PUT', MANIFEST, sized(4 * MiB), AUTH_OFF))).toBe('api')
    expect(roadOf(await decide('PUT', MANIFEST, CHUNKED, AUTH_OFF))).toBe('api')
    expectRefusal(await decide('PUT', MANIFEST, sized(4 * MiB + 1), AUTH_OFF), 'CONTENT_TOO_LARGE')
  })

  it('passes with a token from before an upgrade until the time of the item unsigned', async () => {
    const headers: HeaderList = [...sized(MiB), bearerWith({ alg: 'HS256' })]
    const until = (seconds: number) => ({ items: { ...KEYS, unsigned: String(seconds) } })

    expect(roadOf(await decide('PUT', MANIFEST, headers, until(NOW + 1)))).toBe('api')
    expectRefusal(
      await decide('PUT', MANIFEST, headers, until(NOW)),
      'UNAUTHORIZED',
      'PUT',
      expect.anything(),
    )
  })
})

describe('a document for /api/', () => {
  it('of up to 512 KiB passes with a login', async () => {
    for (const login of [BASIC, bearer()]) {
      expect(roadOf(await decide('PUT', '/api/policy', [...sized(512 * KiB), login]))).toBe('api')
      const decision = await decide('PUT', '/api/policy', [...sized(512 * KiB + 1), login])
      expectRefusal(decision, 'CONTENT_TOO_LARGE')
    }
  })

  it('above 64 KiB needs a login', async () => {
    const headers: HeaderList = [['Host', 'r.example'], ...sized(64 * KiB + 1)]
    const decision = await decide('PUT', '/api/policy', headers)

    expectRefusal(decision, 'UNAUTHORIZED', 'PUT', 'a body above 64 KiB needs a login')
    expect(decision).toHaveProperty('response.headers.www-authenticate', { value: 'Basic realm="r.example"' })
  })
})

describe('a POST with a blob', () => {
  it('above 64 KiB needs a signed token, because the relay accepts any size', async () => {
    const headers = sized(64 * KiB + 1)
    expect(roadOf(await decide('POST', POSTED, [...headers, bearer()]))).toBe('api')
    expectRefusal(
      await decide('POST', POSTED, [...headers, BASIC]),
      'UNAUTHORIZED',
      'POST',
      expect.anything(),
    )
    expectRefusal(await decide('POST', POSTED, [...CHUNKED, BASIC]), 'LENGTH_REQUIRED')
    expect(roadOf(await decide('POST', POSTED, headers, AUTH_OFF))).toBe('api')
  })
})

describe('a request without a length', () => {
  it('is refused where HTTP/2 would hide a body', async () => {
    expectRefusal(await decide('POST', '/v2/team/app/blobs/uploads/'), 'LENGTH_REQUIRED')
    expectRefusal(await decide('POST', '/token'), 'LENGTH_REQUIRED')
    expectRefusal(await decide('POST', '/api/robots'), 'LENGTH_REQUIRED')
  })

  it('has no body if clients send none with its method', async () => {
    for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS'])
      expect(roadOf(await decide(method, MANIFEST))).toBe('api')
  })

  it('has a form above 64 KiB for /token, which nobody sends', async () => {
    const decision = await decide('POST', '/token', [...sized(64 * KiB + 1), bearer()], AUTH_OFF)
    expectRefusal(decision, 'CONTENT_TOO_LARGE')
  })
})

describe('the edge', () => {
  const method = fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'put', 'TRACE')
  const path = fc.oneof(
    fc.constantFrom(MANIFEST, '/v2/a/manifests/sha256:0', '/api/', '/api/policy', '/token', '/', '/v2/'),
    fc.constantFrom(uploadPath(), `${uploadPath()}/`, '/v2/team/app/blobs/uploads/', '/v2/a/blobs/uploads'),
    anyText.map(text => `/${text}`),
    fc
      .array(fc.constantFrom('v2', 'a', 'blobs', 'uploads', 'manifests', 'api', 'token', ID, '..', '%2F', ''))
      .map(parts => `/${parts.join('/')}`),
  )
  /** Parameters that only look like those of a session. */
  const parameter = fc.oneof(
    fc.constantFrom('relay=1', 'wake=1', `digest=${DIGEST}`, 'mount=x', 'stream', 'stream=', 'direct='),
    fc.constantFrom(stream({ key: OTHER_KEY }), stream({ expires: NOW }), stream({ name: 'other' })),
    fc.constantFrom(direct({ key: OTHER_KEY }), direct().replace('direct', 'stream'), stream().slice(0, -1)),
    anyText,
  )
  const query = fc.array(parameter, { maxLength: 4 }).map(parameters => parameters.join('&'))
  const length = fc.oneof(
    fc.constantFrom(0, 1, 64 * KiB, 64 * KiB + 1, 512 * KiB, 512 * KiB + 1, 4 * MiB, 4 * MiB + 1, 6e9),
    fc.nat(10 * MiB),
  )
  const body = fc.oneof(
    length.map(sized),
    fc.constantFrom<HeaderList>(CHUNKED, [], [...CHUNKED, ...sized(1)], [['Transfer-Encoding', 'gzip']]),
  )
  const login = fc.oneof(
    fc.constantFrom(BASIC, basic('x:y'), bearer({ key: OTHER_KEY }), bearer({ expires: NOW })),
    anyText.map(text => ['Authorization', text.replaceAll(/[\r\n\0]/g, '')] as const),
    fc.jsonValue().map(bearerWith),
  )
  const other = fc.constantFrom<HeaderList[number]>(
    ['X-Longshore-Edge', 'guessed'],
    ['Expect', '100-continue'],
    ['Content-Type', 'application/json'],
    ['Host', 'r.example'],
  )
  const items = fc.constantFrom<Record<string, string>>(
    KEYS,
    WITH_RELAY,
    SLEEPING_RELAY,
    { ...WITH_RELAY, unsigned: '0', direct: 'off', auth: 'on' },
    { ...WITH_RELAY, 'relay-switch': 'off', unsigned: String(NOW) },
  )
  /** Half of the requests are those that accept a body. */
  const route = fc.oneof(
    fc.constantFrom(
      ['PATCH', uploadPath()],
      ['PUT', uploadPath()],
      ['PUT', MANIFEST],
      ['POST', POSTED],
      ['POST', '/token'],
      ['PUT', '/api/policy'],
    ),
    fc.tuple(method, path),
  )
  const request = fc.record({
    route,
    query,
    body,
    logins: fc.oneof(
      login.map(one => [one]),
      fc.array(login, { maxLength: 2 }),
    ),
    others: fc.array(other, { maxLength: 3 }),
    items,
  })

  it('lets at most 64 KiB of a body pass without a valid signature, with two exceptions', async () => {
    const passed = { exceptions: 0, small: 0 }
    await fc.assert(
      fc.asyncProperty(request, async ({ route, query, body, logins, others, items }) => {
        const [method = '', uri = ''] = route
        const target = query ? `${uri}${uri.includes('?') ? '&' : '?'}${query}` : uri
        const decision = await decide(method, target, [...body, ...logins, ...others], { items })

        if ('response' in decision) return
        const bytes = bytesOf(method, body)
        const [path = ''] = target.split('?')
        const limit = exceptionFor(method, path, logins)
        expect(bytes).toBeLessThanOrEqual(limit)
        if (bytes > 64 * KiB) passed.exceptions++
        else if (bytes > 0) passed.small++
      }),
      { numRuns: runs(3000) },
    )
    // The property means something only if both happen.
    expect(passed.exceptions).toBeGreaterThan(0)
    expect(passed.small).toBeGreaterThan(0)
  })

  /** The bytes that a client may send with these headers. HTTP/2 allows a POST, PUT or PATCH without a length. */
  function bytesOf(method: string, body: HeaderList): number {
    const headers = new Map(body.map(([name, value]) => [name.toLowerCase(), value]))
    if (headers.has('transfer-encoding')) return Number.POSITIVE_INFINITY
    const announced = headers.get('content-length')
    if (announced !== undefined) return Number(announced)
    return ['POST', 'PUT', 'PATCH'].includes(method) ? Number.POSITIVE_INFINITY : 0
  }

  function exceptionFor(method: string, path: string, logins: HeaderList): number {
    const mayBeOurs = logins.length === 1 && /^basic +[a-z0-9+/]{14,}/i.test(logins[0]?.[1] ?? '')
    if (!mayBeOurs) return 64 * KiB
    if (method === 'PUT' && /^\/v2\/.+\/manifests\/[^/]+$/.test(path)) return 4 * MiB
    return path.startsWith('/api/') ? 512 * KiB : 64 * KiB
  }
})
