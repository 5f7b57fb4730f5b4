import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openRegistry } from '../../cli/ask.ts'
import { Failure } from '../../cli/failure.ts'

let server: Server
let origin: string
const asked: string[] = []
beforeEach(async () => {
  asked.length = 0
  server = createServer(({ url = '' }, response) => {
    asked.push(url)
    response.writeHead(307, { location: `${origin}/elsewhere` }).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.close().closeAllConnections()
})

it('takes a login nowhere else than where it is for', async () => {
  const ask = openRegistry(origin, { user: 'ann', password: 'correct horse' })
  await expect(ask('GET', '/api/me')).rejects.toBeInstanceOf(Failure)
  expect(asked).toEqual(['/api/me'])
})
