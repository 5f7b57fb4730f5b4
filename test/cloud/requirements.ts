import { hasDynamoDBLocal } from '../support/dynamodb-local.ts'
import { describeWith, type Requirements } from '../support/requirements.ts'

/** A `describe` that needs the emulated cloud. It is reported as skipped if the servers are not built. */
export function describeInCloud(needs: Requirements, name: string, body: () => void): void {
  const servers = ['versitygw', 'java', ...(hasDynamoDBLocal ? [] : ['DynamoDB Local'])]
  describeWith({ ...needs, tools: [...servers, ...(needs.tools ?? [])] }, name, body)
}
