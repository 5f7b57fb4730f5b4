import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { attributesOf } from '../lambda/store/dynamo/attributes.ts'
import type { Item } from '../lambda/store/table.ts'

/**
 * DynamoDB, S3 and SSM at one address, as far as a first request goes: rows that are there are found, whatever is written
 * is well, the bucket is empty. It answers at once and verifies nothing, so what is measured in front of it is ours.
 */
export class Aws {
  readonly #server: Server

  private constructor(rows: readonly Item[], secrets: string) {
    const items = new Map(rows.map(row => [`${row.partition}\n${row.sort}`, attributesOf(row)]))
    this.#server = createServer(async (request, response) => {
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece)
      const [, operation] = String(request.headers['x-amz-target']).split('.')
      if (operation === undefined) {
        response.writeHead(request.method === 'PUT' ? 200 : 404, { etag: '"etag"' }).end()
        return
      }
      const { Key } = JSON.parse(Buffer.concat(pieces).toString())
      const answer =
        operation === 'GetParameter'
          ? { Parameter: { Value: secrets } }
          : operation === 'GetItem'
            ? { Item: items.get(`${Key.partition.S}\n${Key.sort.S}`) }
            : {}
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answer))
    })
  }

  static async start(rows: readonly Item[], secrets: object): Promise<Aws> {
    const aws = new Aws(rows, JSON.stringify(secrets))
    await once(aws.#server.listen(0, '127.0.0.1'), 'listening')
    return aws
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
