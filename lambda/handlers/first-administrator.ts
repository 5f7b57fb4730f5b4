import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { Accounts } from '../auth/identity/accounts.ts'
import type { Passwords } from '../auth/identity/passwords.ts'
import {
  type ResourceEvent,
  type ResourceResult,
  runCustomResource,
  type SendResponse,
  sendResponse,
} from '../aws/custom-resource.ts'
import { createDynamoClient } from '../store/dynamodb/client.ts'
import { DynamoTable } from '../store/dynamodb/table.ts'
import type { Table } from '../store/table.ts'

/** Name of the account whose password the deployment generates. */
const NAME = 'admin'

interface Wiring {
  readonly table: Table
  /** Reads the generated password. */
  readonly password: () => Promise<string>
  readonly respond: SendResponse
  /** Absent: hashes at the production cost. */
  readonly passwords?: Passwords
}

/** The function of the custom resource in infra/constructs/first-administrator.ts. */
export const handler = createHandler({
  table: new DynamoTable(createDynamoClient(), process.env.LONGSHORE_TABLE ?? ''),
  password: fromSecretsManager(process.env.LONGSHORE_PASSWORD_SECRET ?? ''),
  respond: sendResponse,
})

/** Returns a handler that creates the account when the table has no accounts. A retained table keeps its accounts. */
export function createHandler({
  table,
  password,
  respond,
  passwords,
}: Wiring): (event: ResourceEvent) => Promise<void> {
  const accounts = new Accounts({ table, clock: Date.now, ...(passwords && { passwords }) })
  return event => runCustomResource(event, { work, nameOf: () => NAME, respond })

  async function work({ RequestType }: ResourceEvent): Promise<ResourceResult> {
    if (RequestType === 'Create' && !(await accounts.some())) await add()
    return { id: NAME }
  }

  /** Lambda may deliver an event twice at the same time. Then the other delivery created the account. */
  async function add(): Promise<void> {
    try {
      await accounts.addUser(NAME, { password: await password(), admin: true })
    } catch (error) {
      if (!(await accounts.some())) throw error
    }
  }
}

function fromSecretsManager(SecretId: string): () => Promise<string> {
  const client = new SecretsManagerClient()
  return async () => {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId }))
    if (!SecretString) throw new Error('the secret of the first administrator is empty')
    return SecretString
  }
}
