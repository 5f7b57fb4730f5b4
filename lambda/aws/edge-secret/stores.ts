import {
  type CloudFrontKeyValueStoreClient,
  ConflictException,
  DescribeKeyValueStoreCommand,
  paginateListKeys,
  UpdateKeysCommand,
} from '@aws-sdk/client-cloudfront-keyvaluestore'
import {
  DeleteParameterCommand,
  GetParameterCommand,
  ParameterAlreadyExists,
  ParameterNotFound,
  PutParameterCommand,
  type SSMClient,
} from '@aws-sdk/client-ssm'
import type { EdgeItemChanges, EdgeKeyStore, SecretStore } from './rotate-secret.ts'
import { parseSecret, type Secret } from './secret.ts'

const ATTEMPTS = 5

/**
 * Names the step that failed, without the message of the service, which may contain the request and thus the secret.
 */
class StepFailed extends Error {
  override readonly name = 'StepFailed'
}

/** Stores the secret in SSM, encrypted with the account's AWS managed key. */
export class SsmSecretStore implements SecretStore {
  readonly #client: SSMClient
  readonly #name: string

  constructor(client: SSMClient, name: string) {
    this.#client = client
    this.#name = name
  }

  async read(): Promise<Secret | undefined> {
    const command = new GetParameterCommand({ Name: this.#name, WithDecryption: true })
    const found = await step(`read ${this.#name}`, () =>
      this.#client.send(command).catch(unless(ParameterNotFound)),
    )
    return found && parseSecret(found.Parameter?.Value ?? '')
  }

  async write(secret: Secret, { replace }: { replace: boolean }): Promise<boolean> {
    const command = new PutParameterCommand({
      Name: this.#name,
      Description:
        'Secrets that the edge and the API of a Longshore registry share. Created by the deployment.',
      Type: 'SecureString',
      Value: JSON.stringify(secret),
      Overwrite: replace,
    })
    const written = await step(`write ${this.#name}`, () =>
      this.#client.send(command).catch(unless(ParameterAlreadyExists)),
    )
    return written !== undefined
  }

  async remove(): Promise<void> {
    const command = new DeleteParameterCommand({ Name: this.#name })
    await step(`delete ${this.#name}`, () => this.#client.send(command).catch(unless(ParameterNotFound)))
  }
}

/** CloudFront's KeyValueStore. */
export class CloudFrontKeyStore implements EdgeKeyStore {
  readonly #client: CloudFrontKeyValueStoreClient
  readonly #arn: string

  constructor(client: CloudFrontKeyValueStoreClient, arn: string) {
    this.#client = client
    this.#arn = arn
  }

  async update(changes: EdgeItemChanges): Promise<void> {
    await step('update the keys of the edge', async () => {
      for (let attempt = 1; ; attempt++)
        try {
          return await this.#updateOnce(changes)
        } catch (error) {
          // The store has changed since its ETag was read.
          if (!(error instanceof ConflictException) || attempt === ATTEMPTS) throw error
        }
    })
  }

  async #updateOnce({ put = {}, putIfAbsent = {}, remove = [] }: EdgeItemChanges): Promise<void> {
    const store = { KvsARN: this.#arn }
    const { ETag } = await this.#client.send(new DescribeKeyValueStoreCommand(store))
    const present = new Map<string, string>()
    for await (const { Items = [] } of paginateListKeys({ client: this.#client }, store))
      for (const { Key, Value } of Items) if (Key !== undefined) present.set(Key, Value ?? '')
    const absent = Object.entries(putIfAbsent).filter(([key]) => !present.has(key))
    const Puts = [...Object.entries(put), ...absent]
      .filter(([key, value]) => present.get(key) !== value)
      .map(([Key, Value]) => ({ Key, Value }))
    const Deletes = remove.filter(key => present.has(key)).map(Key => ({ Key }))
    if (Puts.length + Deletes.length === 0) return
    await this.#client.send(new UpdateKeysCommand({ ...store, IfMatch: ETag, Puts, Deletes }))
  }
}

function unless(expected: new (...args: never[]) => Error): (error: unknown) => undefined {
  return error => {
    if (error instanceof expected) return undefined
    throw error
  }
}

async function step<T>(description: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const name = error instanceof Error ? error.name : 'unknown error'
    throw new StepFailed(`cannot ${description}: ${name}`)
  }
}
