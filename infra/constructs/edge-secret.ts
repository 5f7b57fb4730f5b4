import { Arn, Aws, CustomResource, Duration, Stack } from 'aws-cdk-lib'
import { KeyValueStore } from 'aws-cdk-lib/aws-cloudfront'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct, type IDependable } from 'constructs'
import { Handler } from './handler.ts'
import { allow } from './permissions.ts'

interface EdgeSecretProps {
  /** Name of the parameter in SSM, with a slash in front. */
  readonly parameter: string
  /** Whatever it is changed to makes a new key. */
  readonly generation: string
  readonly retain: boolean
  readonly relay: boolean
  readonly log: ILogGroup
}

/**
 * What the edge and the API share: a key that signs upload and pull links, and the header by which the API knows the edge.
 * A function makes both of chance when the stack is deployed, so that they are in no template and on no developer's machine.
 * They are kept in SSM, which costs nothing, and the key also in CloudFront's KeyValueStore, where the edge can read it.
 */
export class EdgeSecret extends Construct {
  readonly store: KeyValueStore
  /** The header's value, as a reference that CloudFormation resolves and shows to nobody. */
  readonly header: string
  readonly parameterArn: string
  readonly #handler: Handler

  constructor(scope: Construct, id: string, props: EdgeSecretProps) {
    super(scope, id)
    this.store = new KeyValueStore(this, 'Store', {
      keyValueStoreName: `${Stack.of(this).stackName}-${Aws.REGION}`,
      comment: "Longshore's edge: keys of links, and whether there is a relay",
    })
    this.#handler = new Handler(this, 'Maker', {
      file: 'edge-secret',
      description: 'Longshore: makes the secret of edge and API when the stack is deployed',
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
    this.header = this.#resource(this, 'Secret', 'Custom::EdgeSecret', {
      parameter: props.parameter,
      generation: props.generation,
      retain: String(props.retain),
      relay: props.relay ? 'on' : 'off',
    }).getAttString('Header')
  }

  /**
   * Tells the edge that there is a relay, once it knows the way there. It is told that there is none before the way is taken
   * from it, by the secret. So at no time does it choose an origin that it does not have.
   */
  announceRelay(after: IDependable): void {
    this.#resource(this, 'Relay', 'Custom::RelaySwitch', {}).node.addDependency(after)
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
