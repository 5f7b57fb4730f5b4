import { hasDynamoDBLocal } from '../support/dynamodb-local.ts'
import { describeWith, type Requirements } from '../support/requirements.ts'

/** A `describe` that needs the emulated cloud, and skips visibly where its servers are not built. */
export function describeInCloud(needs: Requirements, name: string, body: () => void): void {
  const tools = ['versitygw', ...(hasDynamoDBLocal ? [] : ['DynamoDB Local']), ...(needs.tools ?? [])]
  describeWith({ ...needs, tools }, name, body)
}
