import { randomBytes } from 'node:crypto'
import { CloudFrontKeyValueStoreClient } from '@aws-sdk/client-cloudfront-keyvaluestore'
import { SSMClient } from '@aws-sdk/client-ssm'
// The KeyValueStore is in no region. It wants another kind of signature, which its client finds when this is loaded.
import '@aws-sdk/signature-v4a'
import { type Answer, fulfil, type Outcome, putAnswer, type ResourceEvent } from './custom-resource.ts'
import { keepSecret } from './edge-secret/keep-secret.ts'
import { KeyValueItems, ParameterSecret } from './edge-secret/stores.ts'

interface Wiring {
  readonly ssm: SSMClient
  readonly keyValues: CloudFrontKeyValueStoreClient
  readonly answer: Answer
}

/** Called by CloudFormation: see infra/constructs/edge-secret.ts, which says what the properties are. */
export const handler = createHandler({
  ssm: new SSMClient(),
  keyValues: new CloudFrontKeyValueStoreClient(),
  answer: putAnswer,
})

export function createHandler({ ssm, keyValues, answer }: Wiring): (event: ResourceEvent) => Promise<void> {
  return event => fulfil(event, { work, nameOf, answer })

  function work(event: ResourceEvent): Promise<Outcome> {
    return event.ResourceType === 'Custom::RelaySwitch' ? switchRelay(event) : keep(event)
  }

  async function switchRelay(event: ResourceEvent): Promise<Outcome> {
    const edge = new KeyValueItems(keyValues, property(event, 'store'))
    await edge.update(event.RequestType === 'Delete' ? { remove: ['relay'] } : { put: { relay: 'on' } })
    return { id: nameOf(event) }
  }

  async function keep(event: ResourceEvent): Promise<Outcome> {
    const id = nameOf(event)
    const secrets = new ParameterSecret(ssm, property(event, 'parameter'))
    if (event.RequestType === 'Delete') {
      if (property(event, 'retain') === 'false') await secrets.remove()
      return { id }
    }
    const edge = new KeyValueItems(keyValues, property(event, 'store'))
    const settings = { generation: property(event, 'generation'), relay: property(event, 'relay') === 'on' }
    const { header } = await keepSecret({ secrets, edge, random }, settings)
    return { id, secret: { Header: header } }
  }
}

function nameOf({ ResourceType, ResourceProperties }: ResourceEvent): string {
  return ResourceType === 'Custom::RelaySwitch' ? 'relay' : (ResourceProperties.parameter ?? 'secret')
}

function property({ ResourceProperties }: ResourceEvent, name: string): string {
  const value = ResourceProperties[name]
  if (value === undefined) throw new Error(`the property ${name} is missing`)
  return value
}

function random(): string {
  return randomBytes(32).toString('base64url')
}
