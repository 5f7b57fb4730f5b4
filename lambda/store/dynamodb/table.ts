import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'
import { isUnreachable } from '../shared/aws-errors.ts'
import {
  ConditionFailed,
  checkKeys,
  checkWrites,
  conditionHolds,
  type Item,
  type Key,
  type KeyRange,
  keyOf,
  type Table,
  TableBusy,
  type Write,
} from '../table.ts'
import { type Attributes, attributesOf, itemOf } from './attributes.ts'
import { expressionOf } from './expressions.ts'
import { isTransient, RETRY, type RetryPolicy, retry } from './retry.ts'

/** Six attempts take about a second, well within what clients wait for an answer. */
const DEFAULT_RETRY_POLICY: RetryPolicy = { attempts: 6, sleep: ms => sleep(ms), random: Math.random }

/**
 * The table in DynamoDB, with the string attributes `partition` and `sort` for its key. Every read is strongly
 * consistent. A lone write is a plain one, at half the price of a transaction.
 *
 * The client's own retries look after lost connections and throttling; ours, behind them, after conflicts of
 * transactions, which the SDK does not repeat. When no connection is to be had even so, the table is busy.
 */
export class DynamoTable implements Table {
  readonly #client: DynamoDBClient
  readonly #name: string
  readonly #retryPolicy: RetryPolicy

  constructor(client: DynamoDBClient, name: string, retryPolicy: RetryPolicy = DEFAULT_RETRY_POLICY) {
    this.#client = client
    this.#name = name
    this.#retryPolicy = retryPolicy
  }

  async get<T extends Item>(key: Key): Promise<T | undefined> {
    checkKeys([key])
    const { Item } = await this.#persist(() =>
      this.#client.send(
        new GetItemCommand({ TableName: this.#name, Key: keyOnly(key), ConsistentRead: true }),
      ),
    )
    return Item && (itemOf(Item) as T)
  }

  async getMany<T extends Item>(keys: readonly Key[]): Promise<(T | undefined)[]> {
    checkKeys(keys)
    const found = new Map<string, Item>()
    let wanted = [...new Map(keys.map(key => [nameOf(key), keyOnly(key)])).values()]
    while (wanted.length > 0) {
      const { items, left } = await this.#persist(() => this.#getSome(wanted))
      for (const item of items) found.set(nameOf(item), item)
      wanted = left
    }
    return keys.map(key => found.get(nameOf(key)) as T | undefined)
  }

  async query<T extends Item>(partition: string, range: KeyRange = {}): Promise<T[]> {
    const { prefix = '', after = '', limit = Number.POSITIVE_INFINITY } = range
    const isWithin = after.startsWith(prefix)
    if (!isWithin && after > prefix) return []
    const items: Item[] = []
    // DynamoDB accepts a start key that does not exist, but only one inside the queried range. One before the range means its beginning.
    let from = after !== '' && isWithin ? keyOnly({ partition, sort: after }) : undefined
    while (items.length < limit) {
      const page = new QueryCommand({
        TableName: this.#name,
        ConsistentRead: true,
        KeyConditionExpression: prefix === '' ? '#p = :p' : '#p = :p AND begins_with(#s, :s)',
        ExpressionAttributeNames: { '#p': 'partition', ...(prefix !== '' && { '#s': 'sort' }) },
        ExpressionAttributeValues: { ':p': { S: partition }, ...(prefix !== '' && { ':s': { S: prefix } }) },
        ExclusiveStartKey: from,
        Limit: Number.isFinite(limit) ? limit - items.length : undefined,
      })
      const { Items = [], LastEvaluatedKey } = await this.#persist(() => this.#client.send(page))
      items.push(...Items.map(itemOf))
      if (!LastEvaluatedKey) break
      from = LastEvaluatedKey
    }
    return items as T[]
  }

  async transact(...writes: readonly Write[]): Promise<void> {
    checkWrites(writes)
    const [only] = writes
    if (writes.length > 1 || !only) return this.#transactAll(writes)
    if (!('check' in only)) return this.#writeOne(only)
    if (!conditionHolds(only.if, await this.get(only.check))) throw new ConditionFailed([0])
  }

  async #getSome(Keys: Attributes[]): Promise<{ items: Item[]; left: Attributes[] } | typeof RETRY> {
    const RequestItems = { [this.#name]: { Keys, ConsistentRead: true } }
    const answer = await this.#client.send(new BatchGetItemCommand({ RequestItems }))
    const items = (answer.Responses?.[this.#name] ?? []).map(itemOf)
    const left = answer.UnprocessedKeys?.[this.#name]?.Keys ?? []
    // What does not fit into 16 MB is left over, and so is what is throttled. Only of the latter there may be no progress.
    return left.length < Keys.length ? { items, left } : RETRY
  }

  async #writeOne(write: Exclude<Write, { check: Key }>): Promise<void> {
    let sent = 0
    try {
      await this.#persist(() => {
        sent++
        return this.#send(write)
      })
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error
      const { attempts = 1 } = error.$metadata
      const stored = error.Item && itemOf(error.Item)
      if (sent + attempts > 2 && isDone(write, stored)) return
      throw new ConditionFailed([0])
    }
  }

  #send(write: Exclude<Write, { check: Key }>): Promise<unknown> {
    const about = {
      TableName: this.#name,
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      ...expressionOf(write),
    } as const
    if ('put' in write)
      return this.#client.send(new PutItemCommand({ ...about, Item: attributesOf(write.put) }))
    const Key = keyOnly(keyOf(write))
    return 'update' in write
      ? this.#client.send(new UpdateItemCommand({ ...about, Key }))
      : this.#client.send(new DeleteItemCommand({ ...about, Key }))
  }

  /** Under one token repeating it changes nothing once it is done: no answer that was lost counts twice. */
  #transactAll(writes: readonly Write[]): Promise<void> {
    const TransactItems = writes.map(write => this.#transactItem(write))
    const ClientRequestToken = randomUUID()
    return this.#persist<void>(async () => {
      try {
        await this.#client.send(new TransactWriteItemsCommand({ TransactItems, ClientRequestToken }))
        return undefined
      } catch (error) {
        if (!(error instanceof TransactionCanceledException)) throw error
        const codes = (error.CancellationReasons ?? []).map(reason => reason.Code ?? 'None')
        const failed = [...codes.keys()].filter(i => codes[i] === 'ConditionalCheckFailed')
        if (failed.length > 0) throw new ConditionFailed(failed)
        const others = codes.filter(code => code !== 'None')
        if (others.length > 0 && others.every(isTransient)) return RETRY
        throw error
      }
    })
  }

  #transactItem(write: Write): TransactWriteItem {
    const about = { TableName: this.#name, ...expressionOf(write) }
    if ('put' in write) return { Put: { ...about, Item: attributesOf(write.put) } }
    const Key = keyOnly(keyOf(write))
    if ('update' in write) return { Update: { UpdateExpression: '', ...about, Key } }
    if ('delete' in write) return { Delete: { ...about, Key } }
    return { ConditionCheck: { ConditionExpression: '', ...about, Key } }
  }

  #persist<T>(attempt: () => Promise<T | typeof RETRY>): Promise<T> {
    return retry(this.#retryPolicy, async () => {
      try {
        return await attempt()
      } catch (error) {
        if (error instanceof Error && isTransient(error.name)) return RETRY
        if (isUnreachable(error)) throw new TableBusy('DynamoDB does not answer', { cause: error })
        throw error
      }
    })
  }
}

/**
 * Whether the item is as a write of ours would have left it. Asked when the condition failed on an attempt that was not
 * the first: the one before may have been done, and only its answer lost. Of an update nobody can tell, and whoever sent
 * it must look again, as after any condition that failed.
 */
function isDone(write: Write, stored: Item | undefined): boolean {
  if ('put' in write)
    return stored !== undefined && isDeepStrictEqual(stored, itemOf(attributesOf(write.put)))
  return 'delete' in write && stored === undefined
}

function keyOnly({ partition, sort }: Key): Attributes {
  return { partition: { S: partition }, sort: { S: sort } }
}

function nameOf({ partition, sort }: Key): string {
  return `${partition}\n${sort}`
}
