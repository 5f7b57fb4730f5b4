import { Arn, Aws, CustomResource, Duration, Stack } from 'aws-cdk-lib'
import { KeyValueStore } from 'aws-cdk-lib/aws-cloudfront'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct, type IDependable } from 'constructs'
import { Handler } from './handler.ts'
import { allow } from './permissions.ts'

interface EdgeSecretProps {
  /** Name of the SSM parameter, which begins with a slash. */
  readonly parameter: string
  /** A new value rotates the keys. */
  readonly generation: string
  readonly retain: boolean
  readonly relay: boolean
  /** Whether clients must log in. Without logins, the edge requires none for large manifests. */
  readonly auth: 'on' | 'off'
  readonly log: ILogGroup
}

/**
 * The secrets that the edge and the API share: the key of signed URLs, and the value of the edge header. A function generates them
 * randomly on deployment, so that no template and no developer's machine contains them. SSM stores them, at no cost; CloudFront's
 * KeyValueStore stores the key too, because the edge functions can read only that store.
 */
export class EdgeSecret extends Construct {
  readonly store: KeyValueStore
  /** The value of the edge header, as a reference that CloudFormation resolves and does not show. */
  readonly header: string
  readonly parameterArn: string
  /** The items of the store. The edge functions must not be deployed before them. */
  readonly items: IDependable
  readonly #handler: Handler

  constructor(scope: Construct, id: string, props: EdgeSecretProps) {
    super(scope, id)
    this.store = new KeyValueStore(this, 'Store', {
      keyValueStoreName: `${Stack.of(this).stackName}-${Aws.REGION}`,
      comment: 'Longshore: keys of signed URLs, and whether there is a relay',
    })
    this.#handler = new Handler(this, 'Maker', {
      file: 'edge-secret',
      description: 'Longshore: creates the secrets of the edge and the API',
      memory: 256,
      timeout: Duration.minutes(1),
      log: props.log,
    })
    const { role } = this.#handler
    this.parameterArn = Arn.format(
      { service: 'ssm', resource: 'parameter', resourceName: props.parameter.slice(1) },
      Stack.of(this),
    )
    allow(role, 'ssm', ['GetParameter', 'PutParameter', 'DeleteParameter'], this.parameterArn)
    const onStore = ['DescribeKeyValueStore', 'ListKeys', 'UpdateKeys']
    allow(role, 'cloudfront-keyvaluestore', onStore, this.store.keyValueStoreArn)
    const secret = this.#resource(this, 'Secret', 'Custom::EdgeSecret', {
      parameter: props.parameter,
      generation: props.generation,
      retain: String(props.retain),
      relay: props.relay ? 'on' : 'off',
      auth: props.auth,
    })
    this.items = secret
    this.header = secret.getAttString('Header')
  }

  /**
   * Announces the relay to the edge functions after the distribution has it as an origin. The update of the secret withdraws the
   * announcement before the origin is removed. So an edge function never selects an origin that does not exist.
   * @param value `auto`: the relay may be stopped, and the API starts it; `on`: it always runs
   */
  announceRelay(after: IDependable, value: 'auto' | 'on'): void {
    this.#resource(this, 'Relay', 'Custom::RelaySwitch', { value }).node.addDependency(after)
  }

  #resource(
    scope: Construct,
    id: string,
    resourceType: string,
    properties: Record<string, string>,
  ): CustomResource {
    return new CustomResource(scope, id, {
      resourceType,
      serviceToken: this.#handler.function.functionArn,
      serviceTimeout: Duration.minutes(10),
      properties: { store: this.store.keyValueStoreArn, ...properties },
    })
  }
}
