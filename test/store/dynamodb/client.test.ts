import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createDynamoClient } from '../../../lambda/store/dynamodb/client.ts'
import { DynamoTable } from '../../../lambda/store/dynamodb/table.ts'
import { TableBusy } from '../../../lambda/store/table.ts'

afterEach(() => vi.unstubAllEnvs())

describe('createDynamoClient', () => {
  it('makes four attempts when the server does not respond, and then the table is busy', async () => {
    let requests = 0
    const server = createServer(() => requests++).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'id')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'key')
    const client = createDynamoClient({ region: 'eu-central-1', endpoint, timeoutMs: 200 })
    const table = new DynamoTable(client, 'registry')

    try {
      await expect(table.get({ partition: 'p', sort: 's' })).rejects.toBeInstanceOf(TableBusy)
      expect(requests).toBe(4)
    } finally {
      server.close().closeAllConnections()
    }
  })
})
