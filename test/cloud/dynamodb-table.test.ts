import { afterAll, beforeAll, describe } from 'vitest'
import { DynamoTable } from '../../lambda/store/dynamodb/table.ts'
import { tableContract } from '../contracts/table.ts'
import { DynamoDBLocal, hasDynamoDBLocal } from '../support/dynamodb-local.ts'

describe.skipIf(!hasDynamoDBLocal)('DynamoTable (needs DynamoDB Local: .ci/dynamodb/build)', () => {
  let local: DynamoDBLocal
  beforeAll(async () => {
    local = await DynamoDBLocal.start()
  })
  afterAll(() => local?.stop())

  tableContract(async () => {
    await local.createTable('registry')
    return { table: new DynamoTable(local.client, 'registry'), close: async () => {} }
  })
})
