import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CreateTableCommand, DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb'
import { freePort } from './free-port.ts'

/** The folder that `.ci/dynamodb/build` creates. */
const LIBRARY = fileURLToPath(new URL('../../.ci/tools/dynamodb', import.meta.url))

export const hasDynamoDBLocal = existsSync(LIBRARY)

/** DynamoDB Local, the emulator of AWS, in memory and on a free port. */
export class DynamoDBLocal implements AsyncDisposable {
  readonly endpoint: string
  readonly client: DynamoDBClient
  readonly #process: ChildProcess

  private constructor(process: ChildProcess, port: number) {
    this.#process = process
    this.endpoint = `http://127.0.0.1:${port}`
    this.client = new DynamoDBClient({
      endpoint: this.endpoint,
      region: 'local',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    })
  }

  static async start(): Promise<DynamoDBLocal> {
    const port = await freePort()
    const java = spawn(
      'java',
      [
        `-Djava.library.path=${LIBRARY}`,
        ...['-cp', join(LIBRARY, '*'), 'com.amazonaws.services.dynamodbv2.local.main.ServerRunner'],
        // Without -sharedDb, clients with different credentials see different tables.
        ...['-inMemory', '-sharedDb', '-disableTelemetry', '-port', String(port)],
      ],
      { stdio: 'ignore' },
    )
    const local = new DynamoDBLocal(java, port)
    for (let attempt = 0; attempt < 300; attempt++) {
      if (local.#hasEnded) break
      const isUp = await local.client.send(new ListTablesCommand({})).then(
        () => true,
        () => false,
      )
      if (isUp) return local
      await delay(100)
    }
    const ended = local.#hasEnded ? ` and ended with ${java.exitCode ?? java.signalCode}` : ''
    await local.stop()
    throw new Error(`DynamoDB Local does not respond${ended}`)
  }

  async createTable(name: string): Promise<void> {
    await this.client.send(
      new CreateTableCommand({
        TableName: name,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [
          { AttributeName: 'partition', KeyType: 'HASH' },
          { AttributeName: 'sort', KeyType: 'RANGE' },
        ],
        AttributeDefinitions: [
          { AttributeName: 'partition', AttributeType: 'S' },
          { AttributeName: 'sort', AttributeType: 'S' },
        ],
      }),
    )
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  async stop(): Promise<void> {
    this.client.destroy()
    if (this.#hasEnded) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
