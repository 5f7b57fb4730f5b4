import { DynamoDBClient } from '@aws-sdk/client-dynamodb'

/** Milliseconds. DynamoDB answers within a tenth of that. The SDK's four attempts are over before API Gateway gives up, after 30 s. */
const TIMEOUT = 5_000

interface Settings {
  /** Without it the SDK finds it, as it finds the credentials. */
  readonly region?: string
  /** Of another server than Amazon's; without it the SDK reads it from the environment. */
  readonly endpoint?: string
  readonly timeout?: number
}

/** The client of DynamoDB, which gives up a connection on which no answer comes. The SDK's own would wait for ever. */
export function createDynamoClient({ timeout = TIMEOUT, ...settings }: Settings = {}): DynamoDBClient {
  const requestHandler = {
    connectionTimeout: timeout,
    requestTimeout: timeout,
    throwOnRequestTimeout: true,
  }
  return new DynamoDBClient({ ...settings, requestHandler })
}
