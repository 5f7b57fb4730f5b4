import { randomBytes } from 'node:crypto'
import { createHandler } from '../../../lambda/handlers/first-administrator.ts'
import { DynamoTable } from '../../../lambda/store/dynamodb/table.ts'
import type { Cloud } from './cloud.ts'

/** Creates the user `admin` with the function of the deployment. @returns the user's password, which Secrets Manager would generate */
export async function createAdministrator(cloud: Cloud): Promise<string> {
  const password = randomBytes(24).toString('base64url')
  const responses: string[] = []
  const handle = createHandler({
    table: new DynamoTable(cloud.dynamo.client, cloud.table),
    password: async () => password,
    respond: async (_, body) => void responses.push(body),
  })
  await handle({
    ...{ RequestType: 'Create', ResourceType: 'Custom::FirstAdministrator', ResourceProperties: {} },
    ...{ ResponseURL: '', StackId: 'stack', RequestId: 'request', LogicalResourceId: 'Account' },
  })
  if (!responses.join().includes('SUCCESS')) throw new Error('the first administrator could not be created')
  return password
}
