import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  TransactionCanceledException,
} from '@aws-sdk/client-dynamodb'
import { mockClient } from 'aws-sdk-client-mock'
import { describe, expect, it } from 'vitest'
import { DynamoTable } from '../../../lambda/store/dynamodb/table.ts'
import { ConditionFailed, TableBusy } from '../../../lambda/store/table.ts'

/*
 * Faults that a test cannot cause in DynamoDB: conflicts, throttling, lost responses. test/cloud runs the table
 * contract against DynamoDB Local.
 */

type Response = object | Error
interface Call {
  readonly name: string
  readonly input: Record<string, unknown>
}

/** A table whose DynamoDB gives these responses in turn, and then repeats the last one. */
function scripted(...responses: Response[]) {
  const calls: Call[] = []
  const delays: number[] = []
  const client = new DynamoDBClient({ region: 'eu-central-1' })
  const mock = mockClient(client)
  mock.onAnyCommand().callsFake(input => {
    const response = responses[Math.min(calls.length, responses.length - 1)] ?? {}
    const call = mock.calls().at(-1)
    calls.push({ name: call?.args[0].constructor.name ?? '', input })
    if (response instanceof Error) throw response
    return response
  })
  const sleep = async (ms: number) => {
    delays.push(ms)
  }
  const retryPolicy = { maxAttempts: 4, sleep, random: () => 0.5 }
  return { table: new DynamoTable(client, 'registry', retryPolicy), calls, delays }
}

const item = { partition: 'repository#app', sort: 'tag#v1', digest: 'a' }
const other = { partition: 'repository#app', sort: 'tag#v2', digest: 'b' }
const stored = (digest: string) => ({
  partition: { S: item.partition },
  sort: { S: item.sort },
  digest: { S: digest },
})

function cancelled(...codes: string[]) {
  const CancellationReasons = codes.map(Code => ({ Code }))
  return new TransactionCanceledException({ $metadata: {}, message: 'cancelled', CancellationReasons })
}

function conditionFailed(attempts: number, digest?: string) {
  const Item = digest === undefined ? {} : { Item: stored(digest) }
  return new ConditionalCheckFailedException({
    $metadata: { attempts },
    message: 'condition failed',
    ...Item,
  })
}

function errorNamed(name: string) {
  return Object.assign(new Error(name), { name })
}

describe('transact with several writes', () => {
  it('retries after a conflict, with growing delays', async () => {
    const conflict = cancelled('None', 'TransactionConflict')
    const { table, calls, delays } = scripted(conflict, conflict, {})

    await table.transact({ put: item }, { put: other })

    expect(calls.map(call => call.name)).toEqual(Array(3).fill('TransactWriteItemsCommand'))
    expect(delays).toEqual([25, 50])
  })

  it('throws TableBusy after the last attempt', async () => {
    const { table, calls } = scripted(cancelled('TransactionConflict', 'ThrottlingError'))

    await expect(table.transact({ put: item }, { put: other })).rejects.toBeInstanceOf(TableBusy)
    expect(calls).toHaveLength(4)
  })

  it('names every write whose condition failed, and does not retry', async () => {
    const { table, calls } = scripted(
      cancelled('ConditionalCheckFailed', 'TransactionConflict', 'ConditionalCheckFailed'),
    )

    const third = { partition: 'p', sort: 's' }
    const transaction = table.transact(
      { put: item, if: 'absent' },
      { put: other },
      { check: third, if: 'present' },
    )

    await expect(transaction).rejects.toEqual(new ConditionFailed([0, 2]))
    expect(calls).toHaveLength(1)
  })

  it('retries with the same client request token', async () => {
    const { table, calls } = scripted(errorNamed('InternalServerError'), cancelled('TransactionConflict'), {})

    await table.transact({ put: item }, { put: other })
    await table.transact({ put: item }, { put: other })

    const [token, ...tokens] = calls.map(call => call.input.ClientRequestToken)
    expect(token).toMatch(/^[0-9a-f-]{36}$/)
    expect(tokens).toEqual([token, token, expect.not.stringMatching(token as string)])
  })

  it('does not retry an invalid transaction', async () => {
    const { table, calls } = scripted(cancelled('ValidationError', 'TransactionConflict'))

    await expect(table.transact({ put: item }, { put: other })).rejects.toBeInstanceOf(
      TransactionCanceledException,
    )
    expect(calls).toHaveLength(1)
  })
})

describe('an unreachable table', () => {
  const failed = (httpStatusCode: number) => ({ $metadata: { httpStatusCode } })

  it.each([
    ['the connection is refused', Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })],
    ['the connection is lost', Object.assign(new Error('reset'), { code: 'ECONNRESET' })],
    ['the host name cannot be resolved', Object.assign(new Error('name'), { code: 'EAI_AGAIN' })],
    ['no response arrives in time', errorNamed('TimeoutError')],
    ['no credentials are available', errorNamed('CredentialsProviderError')],
    ['DynamoDB is unavailable', Object.assign(errorNamed('ServiceUnavailable'), failed(503))],
    ['DynamoDB throttles', Object.assign(errorNamed('TooManyRequests'), failed(429))],
    ['a gateway fails', Object.assign(errorNamed('UnknownError'), failed(502))],
  ])('throws TableBusy when %s', async (_, error) => {
    const { table, calls } = scripted(error)
    const busy = { name: 'TableBusy', cause: error }

    await expect(table.get(item)).rejects.toMatchObject(busy)
    await expect(table.getMany([item])).rejects.toMatchObject(busy)
    await expect(table.query(item.partition)).rejects.toMatchObject(busy)
    await expect(table.transact({ put: item })).rejects.toMatchObject(busy)
    await expect(table.transact({ put: item }, { put: other })).rejects.toMatchObject(busy)
    expect(calls).toHaveLength(5) // the SDK has made its own retries before
  })
})

describe('transact with one write', () => {
  it.each([
    ['put', { put: item, if: 'absent' }, 'PutItemCommand'],
    ['update', { update: item, change: { add: { n: 1 } } }, 'UpdateItemCommand'],
    ['delete', { delete: item }, 'DeleteItemCommand'],
    ['check', { check: { partition: 'p', sort: 's' }, if: 'absent' }, 'GetItemCommand'],
  ] as const)('sends one request for a %s', async (_, write, name) => {
    const { table, calls } = scripted({})
    await table.transact(write)
    expect(calls.map(call => call.name)).toEqual([name])
  })

  it('requests the stored item for the case that the condition fails', async () => {
    const { table, calls } = scripted({})
    await table.transact({ put: item, if: 'absent' })
    expect(calls[0]?.input.ReturnValuesOnConditionCheckFailure).toBe('ALL_OLD')
  })

  it('retries while DynamoDB throttles', async () => {
    const { table, calls } = scripted(
      errorNamed('ProvisionedThroughputExceededException'),
      errorNamed('TransactionConflictException'),
      {},
    )
    await table.transact({ put: item })
    expect(calls).toHaveLength(3)
  })

  it('fails when the condition fails on the first attempt', async () => {
    const { table } = scripted(conditionFailed(1, 'a'))
    await expect(table.transact({ put: item, if: 'absent' })).rejects.toEqual(new ConditionFailed([0]))
  })

  describe('whose condition fails on a repeated attempt, after a lost response', () => {
    it('succeeds if it is a put and its item is stored', async () => {
      const { table } = scripted(conditionFailed(2, 'a'))
      await expect(table.transact({ put: item, if: 'absent' })).resolves.toBeUndefined()
    })

    it('succeeds also if the table, and not the SDK, repeated the request', async () => {
      const { table } = scripted(errorNamed('InternalServerError'), conditionFailed(1, 'a'))
      await expect(table.transact({ put: item, if: 'absent' })).resolves.toBeUndefined()
    })

    it('fails if it is a put and another item is stored', async () => {
      const { table } = scripted(conditionFailed(2, 'other'))
      await expect(table.transact({ put: item, if: 'absent' })).rejects.toBeInstanceOf(ConditionFailed)
    })

    it('succeeds if it is a delete and no item is stored', async () => {
      const { table } = scripted(conditionFailed(2))
      await expect(table.transact({ delete: item, if: 'present' })).resolves.toBeUndefined()
    })

    it('fails if it is an update', async () => {
      const { table } = scripted(conditionFailed(2, 'a'))
      const update = table.transact({ update: item, change: { add: { n: 1 } }, if: { n: 1 } })
      await expect(update).rejects.toBeInstanceOf(ConditionFailed)
    })
  })
})

describe('a read', () => {
  it('of one item sends one consistent request', async () => {
    const { table, calls } = scripted({ Item: stored('a') })
    expect(await table.get(item)).toEqual(item)
    expect(calls).toEqual([
      { name: 'GetItemCommand', input: expect.objectContaining({ ConsistentRead: true }) },
    ])
  })

  it('of many items requests each key once, and unprocessed keys again', async () => {
    const keys = { partition: { S: item.partition }, sort: { S: item.sort } }
    const { table, calls } = scripted(
      { Responses: { registry: [] }, UnprocessedKeys: { registry: { Keys: [keys] } } },
      { Responses: { registry: [stored('a')] } },
    )

    expect(await table.getMany([item, other, item])).toEqual([item, undefined, item])
    const requests = calls.map(call => call.input.RequestItems as { registry: { Keys: unknown[] } })
    expect(requests.map(request => request.registry.Keys.length)).toEqual([2, 1])
  })

  it('of many items, or of a key range, is consistent', async () => {
    const { table, calls } = scripted({})
    await table.getMany([item])
    await table.query(item.partition)
    expect(calls.map(call => call.input)).toEqual([
      { RequestItems: { registry: expect.objectContaining({ ConsistentRead: true }) } },
      expect.objectContaining({ ConsistentRead: true }),
    ])
  })

  it('of many items throws TableBusy when no key is ever processed', async () => {
    const Keys = [{ partition: { S: item.partition }, sort: { S: item.sort } }]
    const { table, calls } = scripted({ UnprocessedKeys: { registry: { Keys } } })

    await expect(table.getMany([item])).rejects.toBeInstanceOf(TableBusy)
    expect(calls).toHaveLength(4)
  })

  it('of a key range reads pages until it has enough items', async () => {
    const LastEvaluatedKey = { partition: { S: item.partition }, sort: { S: item.sort } }
    const { table, calls } = scripted({ Items: [stored('a')], LastEvaluatedKey })

    expect(await table.query(item.partition, { limit: 3 })).toHaveLength(3)
    expect(calls.map(call => call.input.Limit)).toEqual([3, 2, 1])
  })

  it('does not retry a permanent error', async () => {
    const { table, calls } = scripted(errorNamed('ResourceNotFoundException'))
    await expect(table.get(item)).rejects.toThrow('ResourceNotFoundException')
    expect(calls).toHaveLength(1)
  })
})
