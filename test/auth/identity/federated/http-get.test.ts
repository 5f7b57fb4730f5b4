import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { httpGet } from '../../../../lambda/auth/identity/federated/http-get.ts'

let server: Server
afterEach(() => {
  server.close().closeAllConnections()
})

/** Starts a server. @returns its URL */
async function serve(listener: RequestListener): Promise<URL> {
  server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
}

const UNAVAILABLE = { code: 'UNAVAILABLE', headers: { 'retry-after': '5' } }

it('returns a response of any status', async () => {
  const url = await serve((_, response) => response.writeHead(403).end('no'))
  expect(await httpGet(url)).toEqual({ status: 403, text: 'no' })
})

it('does not follow a redirect', async () => {
  const requests: string[] = []
  const url = await serve(({ url = '' }, response) => {
    requests.push(url)
    response.writeHead(302, { location: '/elsewhere' }).end()
  })
  await expect(httpGet(url)).rejects.toMatchObject(UNAVAILABLE)
  expect(requests).toEqual(['/'])
})

it.each([
  [256 * 1024, true],
  [256 * 1024 + 1, false],
])('a response of %i bytes is accepted: %s', async (length, isAccepted) => {
  const url = await serve((_, response) => response.end('x'.repeat(length)))
  const reading = httpGet(url).then(({ text }) => text.length === length)
  if (isAccepted) expect(await reading).toBe(true)
  else await expect(reading).rejects.toMatchObject(UNAVAILABLE)
})

it.each<[string, RequestListener]>([
  ['sends no response', () => {}],
  ['does not end its response', (_, response) => response.write('{')],
])(
  'fails after three seconds if the server %s',
  async (_, listener) => {
    await expect(httpGet(await serve(listener))).rejects.toMatchObject(UNAVAILABLE)
  },
  15_000,
)
