import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { readRequest } from '../../server/incoming.ts'
import { streamed } from '../support/registry.ts'

/** By which origin a client knows the server that names this host. */
function originFor(host: string, secure = false): string | undefined {
  const socket = { remoteAddress: '192.0.2.1', ...(secure && { encrypted: true }) }
  const incoming = { method: 'GET', url: '/v2/', headers: { host }, httpVersion: '1.1', socket }
  return readRequest(incoming as unknown as IncomingMessage, streamed()).origin
}

it.each([
  ['registry.example', 'registry.example'],
  ['Registry.Example:5000', 'registry.example:5000'],
  ['[::1]:5000', '[::1]:5000'],
])('knows from the host %s by which origin it was asked, with TLS and without', (host, known) => {
  expect([originFor(host), originFor(host, true)]).toEqual([`http://${known}`, `https://${known}`])
})

it.each(['', 'a"b', 'a b', 'a,b', 'a/b', 'ann@registry.example', 'registry.example:x', 'é'])(
  'tells nothing on of a host that is none: %j',
  host => expect(originFor(host)).toBeUndefined(),
)
