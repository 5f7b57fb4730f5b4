import { randomBytes } from 'node:crypto'
import { createHandler } from '../../../lambda/handlers/first-administrator.ts'
import { DynamoTable } from '../../../lambda/store/dynamodb/table.ts'
import type { Cloud } from './cloud.ts'

/** Lets the deployment's own function make the user `admin`. @returns what stands for the password that Secrets Manager generates */
export async function makeAdministrator(cloud: Cloud): Promise<string> {
  const password = randomBytes(24).toString('base64url')
  const told: string[] = []
  const handle = createHandler({
    table: new DynamoTable(cloud.dynamo.client, cloud.table),
    password: async () => password,
    respond: async (_, body) => void told.push(body),
  })
  await handle({
    ...{ RequestType: 'Create', ResourceType: 'Custom::FirstAdministrator', ResourceProperties: {} },
    ...{ ResponseURL: '', StackId: 'stack', RequestId: 'request', LogicalResourceId: 'Account' },
  })
  if (!told.join().includes('SUCCESS')) throw new Error('the first administrator could not be made')
  return password
}
