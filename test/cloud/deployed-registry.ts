import { randomUUID } from 'node:crypto'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { HttpResponse } from '../../lambda/http/message.ts'
import { createRegistryApp, type RegistryApp } from '../../lambda/registry-app.ts'
import { DynamoTable } from '../../lambda/store/dynamodb/table.ts'
import { S3Blobs } from '../../lambda/store/s3/blobs.ts'
import { Bucket } from '../../lambda/store/s3/bucket.ts'
import { bytesOf } from '../support/bytes.ts'
import type { DynamoDBLocal } from '../support/dynamodb-local.ts'
import type { S3Server } from '../support/s3-server.ts'

const DAY = 24 * 60 * 60 * 1000

/** The registry on DynamoDB and S3, in this process. Records the commands that it sends to them. */
export class DeployedRegistry {
  readonly app: RegistryApp
  #commands: string[] = []
  #clockOffset = 0

  /** The table must exist. */
  constructor(dynamo: DynamoDBLocal, s3: S3Server, table: string) {
    const record = (command: string) => this.#commands.push(command)
    recordCommands(dynamo.client, name => record(`DynamoDB ${name}`))
    recordCommands(s3.client as RecordedClient, name => record(`S3 ${name}`))
    this.app = createRegistryApp({
      table: new DynamoTable(dynamo.client, table),
      store: new S3Blobs(s3.settings, async () => new Bucket(s3.client, s3.settings.bucket)),
      clock: () => Date.now() + this.#clockOffset,
      newId: randomUUID,
      gracePeriod: DAY,
      uploadLifetime: DAY,
      directUploads: { readLimit: 0 },
    })
  }

  /** The commands that the operation sends to each service, with their numbers, in the order of the first use. */
  async commandsOf(operation: () => Promise<unknown>): Promise<{ DynamoDB: string; S3: string }> {
    this.#commands = []
    await operation()
    const commands = this.#commands
    const of = (service: string) => {
      const names = commands.filter(name => name.startsWith(service)).map(name => name.split(' ')[1] ?? '')
      const counted = [...new Set(names)].map(name => {
        const count = names.filter(other => other === name).length
        return count === 1 ? name : `${count} ${name}`
      })
      return counted.join(', ') || '–'
    }
    return { DynamoDB: of('DynamoDB'), S3: of('S3') }
  }

  async send(
    method: string,
    target: string,
    body: string | Uint8Array = '',
    type?: string,
  ): Promise<HttpResponse> {
    const [path = '', query] = target.split('?')
    const headers = { 'content-length': String(Buffer.byteLength(body)), 'content-type': type }
    const request = { method, path, query: new URLSearchParams(query), headers, body: bytesOf(body) }
    const { response } = await this.app.app(request)
    if (!response) throw new Error(`${method} ${target} got no response`)
    return response
  }

  wait(milliseconds: number): void {
    this.#clockOffset += milliseconds
  }
}

interface RecordedClient {
  readonly middlewareStack: Pick<DynamoDBClient['middlewareStack'], 'add'>
}

function recordCommands(client: RecordedClient, record: (command: string) => void): void {
  client.middlewareStack.add(
    (next, context) => args => {
      record(String(context.commandName).replace(/Command$/, ''))
      return next(args)
    },
    // After the SDK's retries, so that they are recorded too.
    { step: 'deserialize', name: 'recorder' },
  )
}
