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
 * What DynamoDB does on no demand of ours: conflicts, throttling, answers that are lost. What it does every day is in
 * test/cloud, where the contract of all tables runs against Amazon's emulator.
 */

type Answer = object | Error
interface Call {
  readonly name: string
  readonly input: Record<string, unknown>
}

/** A table whose DynamoDB gives these answers in turn, and the last one for ever. */
function scripted(...answers: Answer[]) {
  const calls: Call[] = []
  const waits: number[] = []
  const client = new DynamoDBClient({ region: 'eu-central-1' })
  const mock = mockClient(client)
  mock.onAnyCommand().callsFake(input => {
    const answer = answers[Math.min(calls.length, answers.length - 1)] ?? {}
    const call = mock.calls().at(-1)
    calls.push({ name: call?.args[0].constructor.name ?? '', input })
    if (answer instanceof Error) throw answer
    return answer
  })
  const sleep = async (ms: number) => {
    waits.push(ms)
  }
  const patience = { attempts: 4, sleep, random: () => 0.5 }
  return { table: new DynamoTable(client, 'registry', patience), calls, waits }
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

function refused(attempts: number, digest?: string) {
  const Item = digest === undefined ? {} : { Item: stored(digest) }
  return new ConditionalCheckFailedException({ $metadata: { attempts }, message: 'refused', ...Item })
}

function named(name: string) {
  return Object.assign(new Error(name), { name })
}

describe('a transaction', () => {
  it('that met another is made again, after a pause that grows', async () => {
    const conflict = cancelled('None', 'TransactionConflict')
    const { table, calls, waits } = scripted(conflict, conflict, {})

    await table.transact({ put: item }, { put: other })

    expect(calls.map(call => call.name)).toEqual(Array(3).fill('TransactWriteItemsCommand'))
    expect(waits).toEqual([25, 50])
  })

  it('that meets others for ever is given up', async () => {
    const { table, calls } = scripted(cancelled('TransactionConflict', 'ThrottlingError'))

    await expect(table.transact({ put: item }, { put: other })).rejects.toBeInstanceOf(TableBusy)
    expect(calls).toHaveLength(4)
  })

  it('names every write that was refused, and is not made again', async () => {
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

  it('keeps its token when it is made again, because it may have been done', async () => {
    const { table, calls } = scripted(named('InternalServerError'), cancelled('TransactionConflict'), {})

    await table.transact({ put: item }, { put: other })
    await table.transact({ put: item }, { put: other })

    const [token, ...tokens] = calls.map(call => call.input.ClientRequestToken)
    expect(token).toMatch(/^[0-9a-f-]{36}$/)
    expect(tokens).toEqual([token, token, expect.not.stringMatching(token as string)])
  })

  it('that makes no sense is not made again', async () => {
    const { table, calls } = scripted(cancelled('ValidationError', 'TransactionConflict'))

    await expect(table.transact({ put: item }, { put: other })).rejects.toBeInstanceOf(
      TransactionCanceledException,
    )
    expect(calls).toHaveLength(1)
  })
})

describe('a table that cannot be reached', () => {
  const failed = (httpStatusCode: number) => ({ $metadata: { httpStatusCode } })

  it.each([
    ['the connection is refused', Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })],
    ['the connection is lost', Object.assign(new Error('reset'), { code: 'ECONNRESET' })],
    ['its name is not to be had', Object.assign(new Error('name'), { code: 'EAI_AGAIN' })],
    ['no answer comes in time', named('TimeoutError')],
    ['there are no credentials to be had now', named('CredentialsProviderError')],
    ['it is down', Object.assign(named('ServiceUnavailable'), failed(503))],
    ['it wants to be spared', Object.assign(named('TooManyRequests'), failed(429))],
    ['what is in front of it is', Object.assign(named('UnknownError'), failed(502))],
  ])('is busy: %s', async (_, error) => {
    const { table, calls } = scripted(error)
    const busy = { name: 'TableBusy', cause: error }

    await expect(table.get(item)).rejects.toMatchObject(busy)
    await expect(table.getMany([item])).rejects.toMatchObject(busy)
    await expect(table.query(item.partition)).rejects.toMatchObject(busy)
    await expect(table.transact({ put: item })).rejects.toMatchObject(busy)
    await expect(table.transact({ put: item }, { put: other })).rejects.toMatchObject(busy)
    expect(calls).toHaveLength(5) // the SDK has asked again already
  })
})

describe('a lone write', () => {
  it.each([
    ['put', { put: item, if: 'absent' }, 'PutItemCommand'],
    ['update', { update: item, change: { add: { n: 1 } } }, 'UpdateItemCommand'],
    ['delete', { delete: item }, 'DeleteItemCommand'],
    ['check', { check: { partition: 'p', sort: 's' }, if: 'absent' }, 'GetItemCommand'],
  ] as const)('is one call: %s', async (_, write, name) => {
    const { table, calls } = scripted({})
    await table.transact(write)
    expect(calls.map(call => call.name)).toEqual([name])
  })

  it('has itself told what is there when it is refused', async () => {
    const { table, calls } = scripted({})
    await table.transact({ put: item, if: 'absent' })
    expect(calls[0]?.input.ReturnValuesOnConditionCheckFailure).toBe('ALL_OLD')
  })

  it('waits while the table is throttled', async () => {
    const { table, calls } = scripted(
      named('ProvisionedThroughputExceededException'),
      named('TransactionConflictException'),
      {},
    )
    await table.transact({ put: item })
    expect(calls).toHaveLength(3)
  })

  it('that was refused at once has failed', async () => {
    const { table } = scripted(refused(1, 'a'))
    await expect(table.transact({ put: item, if: 'absent' })).rejects.toEqual(new ConditionFailed([0]))
  })

  describe('that was refused when the client asked again, because its first answer was lost', () => {
    it('has succeeded if it is a put and its item is there', async () => {
      const { table } = scripted(refused(2, 'a'))
      await expect(table.transact({ put: item, if: 'absent' })).resolves.toBeUndefined()
    })

    it('has succeeded also when it was us who asked again', async () => {
      const { table } = scripted(named('InternalServerError'), refused(1, 'a'))
      await expect(table.transact({ put: item, if: 'absent' })).resolves.toBeUndefined()
    })

    it('has failed if it is a put and another item is there', async () => {
      const { table } = scripted(refused(2, 'somebody else'))
      await expect(table.transact({ put: item, if: 'absent' })).rejects.toBeInstanceOf(ConditionFailed)
    })

    it('has succeeded if it is a delete and nothing is there', async () => {
      const { table } = scripted(refused(2))
      await expect(table.transact({ delete: item, if: 'present' })).resolves.toBeUndefined()
    })

    it('has failed if it is an update, of which nobody can tell', async () => {
      const { table } = scripted(refused(2, 'a'))
      const update = table.transact({ update: item, change: { add: { n: 1 } }, if: { n: 1 } })
      await expect(update).rejects.toBeInstanceOf(ConditionFailed)
    })
  })
})

describe('a read', () => {
  it('of one item is one consistent call', async () => {
    const { table, calls } = scripted({ Item: stored('a') })
    expect(await table.get(item)).toEqual(item)
    expect(calls).toEqual([
      { name: 'GetItemCommand', input: expect.objectContaining({ ConsistentRead: true }) },
    ])
  })

  it('of many asks again for what was left over, and not twice for one', async () => {
    const keys = { partition: { S: item.partition }, sort: { S: item.sort } }
    const { table, calls } = scripted(
      { Responses: { registry: [] }, UnprocessedKeys: { registry: { Keys: [keys] } } },
      { Responses: { registry: [stored('a')] } },
    )

    expect(await table.getMany([item, other, item])).toEqual([item, undefined, item])
    const asked = calls.map(call => call.input.RequestItems as { registry: { Keys: unknown[] } })
    expect(asked.map(request => request.registry.Keys.length)).toEqual([2, 1])
  })

  it('of many keys, or of a key range, is consistent too', async () => {
    const { table, calls } = scripted({})
    await table.getMany([item])
    await table.query(item.partition)
    expect(calls.map(call => call.input)).toEqual([
      { RequestItems: { registry: expect.objectContaining({ ConsistentRead: true }) } },
      expect.objectContaining({ ConsistentRead: true }),
    ])
  })

  it('of many that is always left over is given up', async () => {
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

  it('fails at once on an error that does not pass', async () => {
    const { table, calls } = scripted(named('ResourceNotFoundException'))
    await expect(table.get(item)).rejects.toThrow('ResourceNotFoundException')
    expect(calls).toHaveLength(1)
  })
})
