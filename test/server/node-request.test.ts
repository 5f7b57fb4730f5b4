import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { readRequest } from '../../server/node-request.ts'
import { streamed } from '../support/registry.ts'

const HEADERS = { headers: { host: 'a' }, rawHeaders: ['Host', 'a'] }

it.each(['/v2/u%2Fa/manifests/v1', '/v2/u%2fa/tags/list', '/%2F', '/v2/a/blobs/uploads%2F'])(
  'refuses an encoded slash in the path, as the edge does: %s',
  url => {
    const incoming = { method: 'GET', url, ...HEADERS, httpVersion: '1.1', socket: {} }
    expect(() => readRequest(incoming as unknown as IncomingMessage, streamed())).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    )
  },
)

it('accepts an encoded slash in the query', () => {
  const url = '/v2/a/blobs/uploads/?mount=sha256:0&from=u%2Fa'
  const incoming = { method: 'POST', url, ...HEADERS, httpVersion: '1.1', socket: {} }
  expect(readRequest(incoming as unknown as IncomingMessage, streamed()).query.get('from')).toBe('u/a')
})

/** The origin of a request with this Host header. */
function originFor(host: string, secure = false): string | undefined {
  const socket = { remoteAddress: '192.0.2.1', ...(secure && { encrypted: true }) }
  const raw = { headers: { host }, rawHeaders: ['Host', host] }
  const incoming = { method: 'GET', url: '/v2/', ...raw, httpVersion: '1.1', socket }
  return readRequest(incoming as unknown as IncomingMessage, streamed()).origin?.url
}

it.each([
  ['registry.example', 'registry.example'],
  ['Registry.Example:5000', 'registry.example:5000'],
  ['[::1]:5000', '[::1]:5000'],
])('derives the origin from the host %s, with TLS and without', (host, expected) => {
  expect([originFor(host), originFor(host, true)]).toEqual([`http://${expected}`, `https://${expected}`])
})

it.each(['a"b', 'a b', 'a/b', 'ann@registry.example', 'é'])('rejects the host %j', host =>
  expect(() => originFor(host)).toThrow('the Host header must be a host name'),
)

it.each(['', 'a,b', 'registry.example:x'])('sets no origin for the malformed host %j', host =>
  expect(originFor(host)).toBeUndefined(),
)
