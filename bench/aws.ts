import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { attributesOf } from '../lambda/store/dynamodb/attributes.ts'
import type { Item } from '../lambda/store/table.ts'

interface AwsContent {
  readonly rows: readonly Item[]
  readonly object: Uint8Array
  /** The value of every parameter. */
  readonly secrets: string
}

/**
 * A server in place of DynamoDB, S3 and SSM, with the operations that a first request needs. GetItem finds the rows.
 * Every key of the bucket has the same object, but HEAD returns 404. It verifies nothing and responds at once, so that
 * its time does not count.
 */
export class Aws {
  readonly #server: Server

  private constructor({ rows, object, secrets }: AwsContent) {
    const items = new Map(rows.map(row => [`${row.partition}\n${row.sort}`, attributesOf(row)]))
    this.#server = createServer(async (request, response) => {
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece)
      const [, operation] = String(request.headers['x-amz-target']).split('.')
      if (operation === undefined) {
        response.writeHead(request.method === 'GET' ? 200 : 404).end(request.method === 'GET' ? object : '')
        return
      }
      const { Key } = JSON.parse(Buffer.concat(pieces).toString())
      const result =
        operation === 'GetParameter'
          ? { Parameter: { Value: secrets } }
          : operation === 'GetItem'
            ? { Item: items.get(`${Key.partition.S}\n${Key.sort.S}`) }
            : {}
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(result))
    })
  }

  static async start(content: AwsContent): Promise<Aws> {
    const aws = new Aws(content)
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
