import { DynamoDBClient } from '@aws-sdk/client-dynamodb'

/**
 * DynamoDB responds within a tenth of this time. The SDK's four attempts end before the integration timeout of API
 * Gateway, which is 30 seconds.
 */
const TIMEOUT_MS = 5_000

interface Settings {
  /** By default the SDK finds the region, as it finds the credentials. */
  readonly region?: string
  /** The URL of an emulator. By default the SDK reads the endpoint from the environment, or uses AWS. */
  readonly endpoint?: string
  /** How long to wait for a connection, and for a response. */
  readonly timeoutMs?: number
}

/** Creates a DynamoDB client with timeouts. The SDK's default client waits for a response without a limit. */
export function createDynamoClient({ timeoutMs = TIMEOUT_MS, ...settings }: Settings = {}): DynamoDBClient {
  const requestHandler = {
    connectionTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    throwOnRequestTimeout: true,
  }
  return new DynamoDBClient({ ...settings, requestHandler })
}
