import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Emulates SSM with one parameter. It verifies no signatures. */
export class ParameterStore {
  readonly #server: Server
  value: string

  private constructor(value: string) {
    this.value = value
    this.#server = createServer(async (request, response) => {
      for await (const _ of request);
      const isGet = request.headers['x-amz-target'] === 'AmazonSSM.GetParameter'
      response.writeHead(isGet ? 200 : 400, { 'content-type': 'application/x-amz-json-1.1' })
      response.end(JSON.stringify(isGet ? { Parameter: { Value: this.value } } : { __type: 'Unknown' }))
    })
  }

  static async start(value: string): Promise<ParameterStore> {
    const store = new ParameterStore(value)
    store.#server.listen(0, '127.0.0.1')
    await once(store.#server, 'listening')
    return store
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
