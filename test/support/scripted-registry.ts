import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

interface ScriptedResponse {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
}

/** An HTTP server that sends the given responses in order and records the requests. It sends 500 afterwards. */
export class ScriptedRegistry implements AsyncDisposable {
  /** Method and target of each request, such as `GET /v2/`. */
  readonly requests: string[] = []
  readonly #server = createServer()

  static async start(...responses: readonly ScriptedResponse[]): Promise<ScriptedRegistry> {
    const registry = new ScriptedRegistry()
    registry.#server.on('request', ({ method, url }, response) => {
      const { status = 200, headers = {}, json } = responses[registry.requests.length] ?? { status: 500 }
      registry.requests.push(`${method} ${url}`)
      response.writeHead(status, headers).end(JSON.stringify(json))
    })
    registry.#server.listen(0, '127.0.0.1')
    await once(registry.#server, 'listening')
    return registry
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close().closeAllConnections()
  }
}
