import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { httpGet } from '../../../../lambda/auth/identity/federated/http-get.ts'

let server: Server
afterEach(() => {
  server.close().closeAllConnections()
})

/** What somebody says who is asked. @returns where to ask */
async function answering(answer: RequestListener): Promise<URL> {
  server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
}

const UNAVAILABLE = { code: 'UNAVAILABLE', headers: { 'retry-after': '5' } }

it('gives what is answered, whatever the status', async () => {
  const url = await answering((_, response) => response.writeHead(403).end('no'))
  expect(await httpGet(url)).toEqual({ status: 403, text: 'no' })
})

it('follows nobody elsewhere', async () => {
  const asked: string[] = []
  const url = await answering(({ url = '' }, response) => {
    asked.push(url)
    response.writeHead(302, { location: '/elsewhere' }).end()
  })
  await expect(httpGet(url)).rejects.toMatchObject(UNAVAILABLE)
  expect(asked).toEqual(['/'])
})

it.each([
  [256 * 1024, true],
  [256 * 1024 + 1, false],
])('reads an answer of %i bytes: %s', async (length, isRead) => {
  const url = await answering((_, response) => response.end('x'.repeat(length)))
  const reading = httpGet(url).then(({ text }) => text.length === length)
  if (isRead) expect(await reading).toBe(true)
  else await expect(reading).rejects.toMatchObject(UNAVAILABLE)
})

it.each<[string, RequestListener]>([
  ['says nothing', () => {}],
  ['does not come to an end', (_, response) => response.write('{')],
])(
  'waits three seconds for somebody who %s',
  async (_, answer) => {
    await expect(httpGet(await answering(answer))).rejects.toMatchObject(UNAVAILABLE)
  },
  15_000,
)
