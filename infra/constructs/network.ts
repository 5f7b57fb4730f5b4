import { Aws, CfnMapping } from 'aws-cdk-lib'
import {
  FlowLogDestination,
  FlowLogTrafficType,
  GatewayVpcEndpointAwsService,
  type IPeer,
  type IVpc,
  Peer,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

/**
 * Ids of Amazon's prefix list `com.amazonaws.global.cloudfront.origin-facing` by region: the addresses from which
 * CloudFront sends requests to origins. Requests to a VPC origin come from these addresses too, not from addresses of
 * the VPC.
 */
const CLOUDFRONT_LISTS = {
  'ap-northeast-1': 'pl-58a04531',
  'ap-northeast-2': 'pl-22a6434b',
  'ap-northeast-3': 'pl-31a14458',
  'ap-south-1': 'pl-9aa247f3',
  'ap-southeast-1': 'pl-31a34658',
  'ap-southeast-2': 'pl-b8a742d1',
  'ca-central-1': 'pl-38a64351',
  'eu-central-1': 'pl-a3a144ca',
  'eu-north-1': 'pl-fab65393',
  'eu-west-1': 'pl-4fa04526',
  'eu-west-2': 'pl-93a247fa',
  'eu-west-3': 'pl-75b1541c',
  'sa-east-1': 'pl-5da64334',
  'us-east-1': 'pl-3b927c52',
  'us-east-2': 'pl-b6a144df',
  'us-west-1': 'pl-4ea04527',
  'us-west-2': 'pl-82a045eb',
}

interface NetworkProps {
  readonly zones: readonly string[] | undefined
  /** Prefix list id, for a region that the list above does not contain. */
  readonly prefixList: string | undefined
  readonly log: ILogGroup
}

/**
 * The relay's network. The load balancer is in subnets without a route to the internet. The tasks reach AWS by public
 * addresses of their own, because a NAT gateway would cost more than the rest of the relay; their security group
 * accepts connections from the load balancer only. S3 and DynamoDB are reached through gateway endpoints, which are
 * free of charge.
 */
export class Network extends Construct {
  readonly vpc: IVpc
  readonly cloudFront: IPeer

  constructor(scope: Construct, id: string, { zones, prefixList, log }: NetworkProps) {
    super(scope, id)
    const vpc = new Vpc(this, 'Vpc', {
      ...(zones ? { availabilityZones: [...zones] } : { maxAzs: 2 }),
      natGateways: 0,
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [
        { name: 'tasks', subnetType: SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false },
        { name: 'balancer', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
      ],
      gatewayEndpoints: {
        S3: { service: GatewayVpcEndpointAwsService.S3 },
        DynamoDB: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      },
    })
    vpc.addFlowLog('Refused', {
      destination: FlowLogDestination.toCloudWatchLogs(log),
      trafficType: FlowLogTrafficType.REJECT,
    })
    // With `exactOptionalPropertyTypes`, Vpc does not fit the CDK's own interface.
    this.vpc = vpc as IVpc
    this.cloudFront = Peer.prefixList(prefixList ?? this.#listOfRegion())
  }

  #listOfRegion(): string {
    const mapping = Object.fromEntries(
      Object.entries(CLOUDFRONT_LISTS).map(([region, id]) => [region, { id }]),
    )
    return new CfnMapping(this, 'CloudFrontLists', { mapping }).findInMap(Aws.REGION, 'id')
  }
}
