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

/** The registry on DynamoDB and S3 in this process, with every command that it sends to them written down. */
export class DeployedRegistry {
  readonly app: RegistryApp
  #asked: string[] = []
  #late = 0

  /** The table must be there. */
  constructor(dynamo: DynamoDBLocal, s3: S3Server, table: string) {
    const record = (command: string) => this.#asked.push(command)
    listen(dynamo.client, name => record(`DynamoDB ${name}`))
    listen(s3.client as Listened, name => record(`S3 ${name}`))
    this.app = createRegistryApp({
      table: new DynamoTable(dynamo.client, table),
      store: new S3Blobs(s3.settings, async () => new Bucket(s3.client, s3.settings.bucket)),
      clock: () => Date.now() + this.#late,
      newId: randomUUID,
      gracePeriod: DAY,
      uploadLifetime: DAY,
      directUploads: { readLimit: 0 },
    })
  }

  /** What is asked of one of the two while the operation goes on: each command with how often, in the order of the first. */
  async commandsOf(operation: () => Promise<unknown>): Promise<{ DynamoDB: string; S3: string }> {
    this.#asked = []
    await operation()
    const asked = this.#asked
    const of = (service: string) => {
      const names = asked.filter(name => name.startsWith(service)).map(name => name.split(' ')[1] ?? '')
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
    if (!response) throw new Error(`${method} ${target} was not answered`)
    return response
  }

  wait(milliseconds: number): void {
    this.#late += milliseconds
  }
}

interface Listened {
  readonly middlewareStack: Pick<DynamoDBClient['middlewareStack'], 'add'>
}

function listen(client: Listened, note: (command: string) => void): void {
  client.middlewareStack.add(
    (next, context) => args => {
      note(String(context.commandName).replace(/Command$/, ''))
      return next(args)
    },
    // Behind the SDK's own retries, which are requests too.
    { step: 'deserialize', name: 'recorder' },
  )
}
