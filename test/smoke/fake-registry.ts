import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The header by which clients recognize a registry. */
export const REGISTRY = { 'docker-distribution-api-version': 'registry/2.0' }

/** Default of the headers: {@link REGISTRY}. */
export type FakeResponse = readonly [status: number, headers?: Record<string, string>]

export interface FakeRegistry extends Disposable {
  readonly origin: string
}

/** An HTTP server that responds to each request as `respond` says, without a body. */
export async function startFakeRegistry(
  respond: (request: IncomingMessage) => FakeResponse,
): Promise<FakeRegistry> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const [status, headers = REGISTRY] = respond(request)
      response.writeHead(status, headers).end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]: () => server.close(),
  }
}
