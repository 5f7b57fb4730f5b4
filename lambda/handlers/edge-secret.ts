import { randomBytes } from 'node:crypto'
import { CloudFrontKeyValueStoreClient } from '@aws-sdk/client-cloudfront-keyvaluestore'
import { SSMClient } from '@aws-sdk/client-ssm'
// The KeyValueStore is not regional and requires Signature Version 4A, which its client uses when this module is loaded.
import '@aws-sdk/signature-v4a'
import {
  type ResourceEvent,
  type ResourceResult,
  runCustomResource,
  type SendResponse,
  sendResponse,
} from '../aws/custom-resource.ts'
import { rotateSecret } from '../aws/edge-secret/rotate-secret.ts'
import { CloudFrontKeyStore, SsmSecretStore } from '../aws/edge-secret/stores.ts'

/** A session that began before the edge required signatures lives for a day (UPLOAD_LIFETIME). In seconds. */
const UNSIGNED_SECONDS = 24 * 60 * 60

interface Wiring {
  readonly ssm: SSMClient
  readonly keyValues: CloudFrontKeyValueStoreClient
  readonly respond: SendResponse
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** The function of the custom resource in infra/constructs/edge-secret.ts, which documents its properties. */
export const handler = createHandler({
  ssm: new SSMClient(),
  keyValues: new CloudFrontKeyValueStoreClient(),
  respond: sendResponse,
  clock: Date.now,
})

/** Creates the function with the given clients, which tests replace. */
export function createHandler({
  ssm,
  keyValues,
  respond,
  clock,
}: Wiring): (event: ResourceEvent) => Promise<void> {
  return event => runCustomResource(event, { work, nameOf, respond })

  function work(event: ResourceEvent): Promise<ResourceResult> {
    return event.ResourceType === 'Custom::RelaySwitch' ? switchRelay(event) : updateSecret(event)
  }

  async function switchRelay(event: ResourceEvent): Promise<ResourceResult> {
    const edge = new CloudFrontKeyStore(keyValues, property(event, 'store'))
    const relay = event.ResourceProperties.value === 'auto' ? 'auto' : 'on'
    await edge.update(event.RequestType === 'Delete' ? { remove: ['relay'] } : { put: { relay } })
    return { id: nameOf(event) }
  }

  async function updateSecret(event: ResourceEvent): Promise<ResourceResult> {
    const id = nameOf(event)
    const secrets = new SsmSecretStore(ssm, property(event, 'parameter'))
    if (event.RequestType === 'Delete') {
      if (property(event, 'retain') === 'false') await secrets.remove()
      return { id }
    }
    const edge = new CloudFrontKeyStore(keyValues, property(event, 'store'))
    const now = Math.floor(clock() / 1000)
    const { header } = await rotateSecret(
      { secrets, edge, random },
      {
        generation: property(event, 'generation'),
        relay: property(event, 'relay') === 'on',
        auth: property(event, 'auth') === 'off' ? 'off' : 'on',
        // A new deployment has no sessions yet.
        unsignedUntil: event.RequestType === 'Create' ? 0 : now + UNSIGNED_SECONDS,
      },
    )
    return { id, secret: { Header: header } }
  }
}

function nameOf({ ResourceType, ResourceProperties }: ResourceEvent): string {
  return ResourceType === 'Custom::RelaySwitch' ? 'relay' : (ResourceProperties.parameter ?? 'secret')
}

function property({ ResourceProperties }: ResourceEvent, name: string): string {
  const value = ResourceProperties[name]
  if (value === undefined) throw new Error(`the property ${name} of the custom resource is missing`)
  return value
}

function random(): string {
  return randomBytes(32).toString('base64url')
}
