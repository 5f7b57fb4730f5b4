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

/** Six attempts take about a second. Clients wait much longer for a response. */
const DEFAULT_RETRY_POLICY: RetryPolicy = { maxAttempts: 6, sleep: ms => sleep(ms), random: Math.random }

/**
 * A {@link Table} in DynamoDB. Its key is the string attributes `partition` and `sort`. Every read is strongly
 * consistent. A single write is sent as a plain request, which costs half as much as a transaction.
 *
 * The SDK retries lost connections and throttled requests. This class also retries transaction conflicts, which the SDK
 * does not. When DynamoDB remains unreachable, the call fails with {@link TableBusy}.
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
    const { Item } = await this.#retried(() =>
      this.#client.send(
        new GetItemCommand({ TableName: this.#name, Key: keyOnly(key), ConsistentRead: true }),
      ),
    )
    return Item && (itemOf(Item) as T)
  }

  async getMany<T extends Item>(keys: readonly Key[]): Promise<(T | undefined)[]> {
    checkKeys(keys)
    const found = new Map<string, Item>()
    let missing = [...new Map(keys.map(key => [keyText(key), keyOnly(key)])).values()]
    while (missing.length > 0) {
      const { items, unprocessed } = await this.#retried(() => this.#getBatch(missing))
      for (const item of items) found.set(keyText(item), item)
      missing = unprocessed
    }
    return keys.map(key => found.get(keyText(key)) as T | undefined)
  }

  async query<T extends Item>(partition: string, range: KeyRange = {}): Promise<T[]> {
    const { prefix = '', after = '', limit = Number.POSITIVE_INFINITY } = range
    const isInRange = after.startsWith(prefix)
    if (!isInRange && after > prefix) return []
    const items: Item[] = []
    // DynamoDB accepts a start key that does not exist, but only within the queried range. If it is before the range,
    // start at the beginning.
    let startKey = after !== '' && isInRange ? keyOnly({ partition, sort: after }) : undefined
    while (items.length < limit) {
      const command = new QueryCommand({
        TableName: this.#name,
        ConsistentRead: true,
        KeyConditionExpression: prefix === '' ? '#p = :p' : '#p = :p AND begins_with(#s, :s)',
        ExpressionAttributeNames: { '#p': 'partition', ...(prefix !== '' && { '#s': 'sort' }) },
        ExpressionAttributeValues: { ':p': { S: partition }, ...(prefix !== '' && { ':s': { S: prefix } }) },
        ExclusiveStartKey: startKey,
        Limit: Number.isFinite(limit) ? limit - items.length : undefined,
      })
      const { Items = [], LastEvaluatedKey } = await this.#retried(() => this.#client.send(command))
      items.push(...Items.map(itemOf))
      if (!LastEvaluatedKey) break
      startKey = LastEvaluatedKey
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

  async #getBatch(Keys: Attributes[]): Promise<{ items: Item[]; unprocessed: Attributes[] } | typeof RETRY> {
    const RequestItems = { [this.#name]: { Keys, ConsistentRead: true } }
    const response = await this.#client.send(new BatchGetItemCommand({ RequestItems }))
    const items = (response.Responses?.[this.#name] ?? []).map(itemOf)
    const unprocessed = response.UnprocessedKeys?.[this.#name]?.Keys ?? []
    // Keys are unprocessed if their items exceed 16 MB together, or if DynamoDB throttles. Without progress it was
    // throttling.
    return unprocessed.length < Keys.length ? { items, unprocessed } : RETRY
  }

  async #writeOne(write: Exclude<Write, { check: Key }>): Promise<void> {
    let requests = 0
    try {
      await this.#retried(() => {
        requests++
        return this.#send(write)
      })
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error
      const { attempts = 1 } = error.$metadata
      const stored = error.Item && itemOf(error.Item)
      const wasRepeated = requests + attempts > 2
      if (wasRepeated && isApplied(write, stored)) return
      throw new ConditionFailed([0])
    }
  }

  #send(write: Exclude<Write, { check: Key }>): Promise<unknown> {
    const common = {
      TableName: this.#name,
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      ...expressionOf(write),
    } as const
    if ('put' in write)
      return this.#client.send(new PutItemCommand({ ...common, Item: attributesOf(write.put) }))
    const Key = keyOnly(keyOf(write))
    return 'update' in write
      ? this.#client.send(new UpdateItemCommand({ ...common, Key }))
      : this.#client.send(new DeleteItemCommand({ ...common, Key }))
  }

  /**
   * The client request token makes the transaction idempotent: a retry after a lost response does not apply it twice.
   */
  #transactAll(writes: readonly Write[]): Promise<void> {
    const TransactItems = writes.map(write => this.#transactItem(write))
    const ClientRequestToken = randomUUID()
    return this.#retried<void>(async () => {
      try {
        await this.#client.send(new TransactWriteItemsCommand({ TransactItems, ClientRequestToken }))
        return undefined
      } catch (error) {
        if (!(error instanceof TransactionCanceledException)) throw error
        const codes = (error.CancellationReasons ?? []).map(reason => reason.Code ?? 'None')
        const failed = [...codes.keys()].filter(i => codes[i] === 'ConditionalCheckFailed')
        if (failed.length > 0) throw new ConditionFailed(failed)
        const causes = codes.filter(code => code !== 'None')
        if (causes.length > 0 && causes.every(isTransient)) return RETRY
        throw error
      }
    })
  }

  #transactItem(write: Write): TransactWriteItem {
    const common = { TableName: this.#name, ...expressionOf(write) }
    if ('put' in write) return { Put: { ...common, Item: attributesOf(write.put) } }
    const Key = keyOnly(keyOf(write))
    if ('update' in write) return { Update: { UpdateExpression: '', ...common, Key } }
    if ('delete' in write) return { Delete: { ...common, Key } }
    return { ConditionCheck: { ConditionExpression: '', ...common, Key } }
  }

  #retried<T>(attempt: () => Promise<T | typeof RETRY>): Promise<T> {
    return retry(this.#retryPolicy, async () => {
      try {
        return await attempt()
      } catch (error) {
        if (error instanceof Error && isTransient(error.name)) return RETRY
        if (isUnreachable(error))
          throw new TableBusy('DynamoDB is overloaded or unreachable', { cause: error })
        throw error
      }
    })
  }
}

/**
 * Whether the stored item is what the write would have produced. When the condition fails on a repeated attempt, an
 * earlier attempt may have been applied, and only its response lost. For an update this cannot be determined: the
 * caller must read the item again, as after any failed condition.
 */
function isApplied(write: Write, stored: Item | undefined): boolean {
  if ('put' in write)
    return stored !== undefined && isDeepStrictEqual(stored, itemOf(attributesOf(write.put)))
  return 'delete' in write && stored === undefined
}

function keyOnly({ partition, sort }: Key): Attributes {
  return { partition: { S: partition }, sort: { S: sort } }
}

function keyText({ partition, sort }: Key): string {
  return `${partition}\n${sort}`
}
