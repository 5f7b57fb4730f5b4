import { describe, expect, it } from 'vitest'
import type { HeaderList } from '../../support/edge-event.ts'
import {
  bearer,
  CHUNKED,
  DIGEST,
  decide,
  direct,
  expectRefusal,
  ID,
  KEY,
  KEYS,
  MiB,
  NOW,
  OTHER_KEY,
  roadOf,
  SHA512,
  SLEEPING_RELAY,
  SOON,
  sized,
  stream,
  streamTarget,
  uploadPath,
  uploadTarget,
  WITH_RELAY,
} from './fixture.ts'

const NO_WAY = expect.stringMatching(/relay.*not available.*one PUT.*in chunks/)
const posted = `/v2/team/app/blobs/uploads/?digest=${DIGEST}`
/** Of a session whose POST found the relay ready. */
const ready = streamTarget({}, '&relay=1')
const put = streamTarget({}, `&digest=${DIGEST}`)

describe('a stream signature in the URL of a session', () => {
  it.each<[string, string, HeaderList]>([
    ['PATCH', streamTarget(), sized(1)],
    ['PATCH', streamTarget(), sized(4 * MiB)],
    ['PATCH', streamTarget(), CHUNKED],
    ['PUT', put, sized(1)],
    ['PUT', `${streamTarget()}?digest=${DIGEST}`, sized(MiB)],
    ['PUT', `${uploadPath()}/?x=%zz&${stream()}&digest=${DIGEST}`, CHUNKED],
  ])('lets a body pass: %s %s', async (method, target, headers) => {
    expect(roadOf(await decide(method, target, headers))).toBe('api')
  })

  it.each([
    ['is missing', uploadPath()],
    ['is empty', `${uploadPath()}?stream=`],
    ['has no value', `${uploadPath()}?stream`],
    ['was made with another key', streamTarget({ key: OTHER_KEY })],
    ['has expired', streamTarget({ expires: NOW })],
    ['is for another repository', `${uploadPath('team/other')}?${stream()}`],
    ['is for another session', `${uploadPath('team/app', ID.replace('6', '7'))}?${stream()}`],
    ['has another time', streamTarget().replace(String(SOON), String(SOON + 1))],
    ['is that of a direct upload', `${uploadPath()}?${direct().replace('direct', 'stream')}`],
    ['is there under another name', `${uploadPath()}?${direct()}`],
    ['is there twice', `${streamTarget()}&${stream()}`],
  ])('keeps a body out when it %s', async (_, target) => {
    for (const headers of [sized(1), sized(5 * MiB), CHUNKED, []])
      expectRefusal(await decide('PATCH', target, headers, { items: WITH_RELAY }), 'BLOB_UPLOAD_UNKNOWN')
    expectRefusal(await decide('PUT', target, sized(1)), 'BLOB_UPLOAD_UNKNOWN')
  })

  it('cannot be replaced by a login', async () => {
    expectRefusal(await decide('PATCH', uploadPath(), [...sized(1), bearer()]), 'BLOB_UPLOAD_UNKNOWN')
  })

  it('is not needed without a body', async () => {
    for (const method of ['PUT', 'PATCH', 'GET', 'DELETE'])
      expect(roadOf(await decide(method, uploadPath(), sized(0)))).toBe('api')
  })

  it('may be missing until the time of the item unsigned, for sessions from before an upgrade', async () => {
    const until = (seconds: number | string) => ({ items: { ...WITH_RELAY, unsigned: String(seconds) } })

    expect(roadOf(await decide('PATCH', uploadPath(), CHUNKED, until(NOW + 1)))).toBe('relay')
    for (const seconds of [NOW, 0, '', 'x'])
      expectRefusal(await decide('PATCH', uploadPath(), CHUNKED, until(seconds)), 'BLOB_UPLOAD_UNKNOWN')
    const forged = streamTarget({ key: OTHER_KEY })
    expectRefusal(await decide('PATCH', forged, CHUNKED, until(NOW + 1)), 'BLOB_UPLOAD_UNKNOWN')
  })
})

describe('an upload for a relay that always serves', () => {
  it.each<[string, string, string, HeaderList]>([
    ['a PATCH above 4 MiB', 'PATCH', streamTarget(), sized(4 * MiB + 1)],
    ['a PATCH in chunks', 'PATCH', streamTarget(), CHUNKED],
    ['a PUT of a session that has bytes', 'PUT', put, sized(2 * MiB)],
    ['a PUT with a SHA-512', 'PUT', `${uploadTarget({}, SHA512)}&${stream()}`, sized(2 * MiB)],
    ['a PUT in chunks', 'PUT', `${uploadTarget()}&${stream()}`, CHUNKED],
    ['a PUT in chunks that also states a length', 'PUT', put, [...CHUNKED, ...sized(2 * MiB)]],
    ['a PUT that is larger than S3 accepts', 'PUT', `${uploadTarget()}&${stream()}`, sized(5120 * MiB + 1)],
    ['a POST with a blob', 'POST', posted, [...sized(2 * MiB), bearer()]],
    ['a POST with a blob in chunks', 'POST', posted, [...CHUNKED, bearer()]],
    ['a POST without the last slash', 'POST', posted.replace('/?', '?'), [...sized(9 * MiB), bearer()]],
  ])('goes there: %s', async (_, method, target, headers) => {
    expect(roadOf(await decide(method, target, headers, { items: WITH_RELAY }))).toBe('relay')
  })

  it.each<[string, string, string, HeaderList]>([
    ['a small PUT', 'PUT', `${uploadTarget()}&${stream()}`, sized(MiB)],
    ['the PUT that closes a session', 'PUT', uploadPath(), sized(0)],
    ['a chunk', 'PATCH', streamTarget(), sized(4 * MiB)],
    ['a POST that only begins a session', 'POST', '/v2/team/app/blobs/uploads/', sized(0)],
    ['a POST that mounts', 'POST', `/v2/a/blobs/uploads/?mount=${DIGEST}&from=b`, sized(0)],
    ['a POST with a small blob', 'POST', posted, [...sized(MiB), bearer()]],
    ['the status of a session', 'GET', uploadPath(), []],
    ['the end of a session', 'DELETE', uploadPath(), []],
  ])('goes to the API, relay or not: %s', async (_, method, target, headers) => {
    for (const items of [KEYS, WITH_RELAY, SLEEPING_RELAY])
      expect(roadOf(await decide(method, target, headers, { items }))).toBe('api')
  })
})

describe('an upload for a relay that sleeps', () => {
  const items = SLEEPING_RELAY

  it.each<[string, string, string, HeaderList]>([
    ['a PATCH above 4 MiB', 'PATCH', ready, sized(4 * MiB + 1)],
    ['a PATCH in chunks', 'PATCH', ready, CHUNKED],
    ['a PUT', 'PUT', `${ready}&digest=${DIGEST}`, sized(2 * MiB)],
    ['a PUT in chunks', 'PUT', `${ready}&digest=${DIGEST}`, CHUNKED],
    ['a POST', 'POST', `${posted}&relay=1`, [...sized(9 * MiB), bearer()]],
  ])('goes there if it was ready when the upload began: %s', async (_, method, target, headers) => {
    expect(roadOf(await decide(method, target, headers, { items }))).toBe('relay')
  })

  it('goes there as a PATCH in chunks, because its POST has waited', async () => {
    expect(roadOf(await decide('PATCH', streamTarget(), CHUNKED, { items }))).toBe('relay')
  })

  it('is redirected to a GET that starts the relay, as a PATCH above 4 MiB', async () => {
    const target = streamTarget({}, '&_state=a%2Bb')

    const decision = await decide('PATCH', target, sized(4 * MiB + 1), { items })

    expect(decision).toMatchObject({
      response: { statusCode: 303, headers: { location: { value: `${target}&wake=1` } } },
    })
    expect(decision).not.toHaveProperty('response.body')
    expect(roadOf(await decide('GET', `${target}&wake=1`, [], { items }))).toBe('api')
  })

  it.each<[string, string, string, HeaderList]>([
    ['a PUT above 4 MiB', 'PUT', put, sized(4 * MiB + 1)],
    ['a PUT in chunks', 'PUT', put, CHUNKED],
    ['a POST above 4 MiB', 'POST', posted, [...sized(4 * MiB + 1), bearer()]],
    ['a POST in chunks', 'POST', posted, [...CHUNKED, bearer()]],
  ])('is refused if the relay was not ready: %s', async (_, method, target, headers) => {
    expectRefusal(await decide(method, target, headers, { items }), 'CONTENT_TOO_LARGE', method, NO_WAY)
  })

  it('goes to the API up to 4 MiB', async () => {
    expect(roadOf(await decide('PUT', put, sized(4 * MiB), { items }))).toBe('api')
    expect(roadOf(await decide('PUT', put, [], { items }))).toBe('api')
  })
})

describe('an upload without a relay', () => {
  const without = [KEYS, { ...KEYS, relay: 'off' }, { ...WITH_RELAY, 'relay-switch': 'off' }]

  it.each<[string, string, string]>([
    ['a PATCH', 'PATCH', streamTarget()],
    ['a PUT', 'PUT', put],
    ['a POST', 'POST', posted],
  ])('is refused above 4 MiB, with the ways out: %s', async (_, method, target) => {
    for (const items of without) {
      const headers = [...sized(4 * MiB + 1), bearer()]
      expectRefusal(await decide(method, target, headers, { items }), 'CONTENT_TOO_LARGE', method, NO_WAY)
      expect(roadOf(await decide(method, target, [...sized(4 * MiB), bearer()], { items }))).toBe('api')
    }
  })

  it('goes to the API if its length is not known', async () => {
    for (const items of without) {
      expect(roadOf(await decide('PATCH', ready, CHUNKED, { items }))).toBe('api')
      expect(roadOf(await decide('PUT', put, CHUNKED, { items }))).toBe('api')
      expect(roadOf(await decide('POST', posted, [...CHUNKED, bearer()], { items }))).toBe('api')
    }
  })
})

describe('the switch direct', () => {
  const target = `${uploadTarget()}&${stream()}`
  const off = (items: Record<string, string>) => ({ items: { ...items, direct: 'off' } })

  it('keeps whole blobs from the bucket', async () => {
    expect(roadOf(await decide('PUT', target, sized(9 * MiB), off(WITH_RELAY)))).toBe('relay')
    expect(roadOf(await decide('PUT', `${target}&relay=1`, sized(9 * MiB), off(SLEEPING_RELAY)))).toBe(
      'relay',
    )
    expect(roadOf(await decide('PUT', target, sized(4 * MiB), off(KEYS)))).toBe('api')
  })

  it('makes the edge say why it refuses a blob that is too large for the API', async () => {
    const reason = expect.stringContaining('direct uploads are turned off')
    for (const items of [KEYS, SLEEPING_RELAY])
      expectRefusal(
        await decide('PUT', target, sized(4 * MiB + 1), off(items)),
        'CONTENT_TOO_LARGE',
        'PUT',
        reason,
      )
  })

  it('does not make a forged URL valid', async () => {
    const forged = `${uploadTarget()}&${stream({ key: OTHER_KEY })}`
    expectRefusal(await decide('PUT', forged, sized(2 * MiB), off(WITH_RELAY)), 'BLOB_UPLOAD_UNKNOWN')
    expectRefusal(await decide('PUT', uploadTarget(), sized(2 * MiB), off(WITH_RELAY)), 'BLOB_UPLOAD_UNKNOWN')
  })

  it('has no effect with another value', async () => {
    const items = { keys: KEY, direct: 'on' }
    expect(roadOf(await decide('PUT', target, sized(2 * MiB), { items }))).toBe('bucket')
  })
})

describe('a body with an invalid length', () => {
  it.each(['-1', '1e9', '0x10', '1 2', '5, 5', '٣', '9'.repeat(16), ''])('is refused: %j', async length => {
    expectRefusal(await decide('PUT', uploadTarget(), [['Content-Length', length]]), 'BAD_REQUEST')
  })

  it('is refused when it has two lengths', async () => {
    expectRefusal(await decide('PUT', uploadTarget(), [...sized(5), ...sized(2 * MiB)]), 'BAD_REQUEST')
  })
})
