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
import { cloudFrontList } from './cloudfront-lists.ts'

interface FargateNetworkProps {
  readonly zones: readonly string[] | undefined
  /** Prefix list id, for a region that the mapping lacks. */
  readonly prefixList: string | undefined
  readonly log: ILogGroup
}

/**
 * The relay's network. The load balancer is in subnets without a route to the internet. The tasks reach AWS by public
 * addresses of their own, because a NAT gateway would cost more than the rest of the relay; their security group
 * accepts connections from the load balancer only. S3 and DynamoDB are reached through gateway endpoints, which are
 * free of charge.
 */
export class FargateNetwork extends Construct {
  readonly vpc: IVpc
  readonly cloudFront: IPeer

  constructor(scope: Construct, id: string, { zones, prefixList, log }: FargateNetworkProps) {
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
    this.cloudFront = Peer.prefixList(prefixList ?? cloudFrontList(this))
  }
}
