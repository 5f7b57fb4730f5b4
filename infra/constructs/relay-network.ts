import { Aws, Fn } from 'aws-cdk-lib'
import {
  CfnEgressOnlyInternetGateway,
  CfnInternetGateway,
  CfnRoute,
  CfnRouteTable,
  CfnSecurityGroup,
  CfnSubnet,
  CfnSubnetRouteTableAssociation,
  CfnVPC,
  CfnVPCCidrBlock,
  CfnVPCEndpoint,
  CfnVPCGatewayAttachment,
  FlowLog,
  FlowLogDestination,
  type FlowLogResourceType,
  FlowLogTrafficType,
} from 'aws-cdk-lib/aws-ec2'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct, type IDependable } from 'constructs'
import { cloudFrontList } from './cloudfront-lists.ts'
import { suppress } from './nag-suppressions.ts'

/** No other network is connected to this one, so any private range will do. A change would replace subnet and instance in place. */
const RANGE = '10.0.0.0/24'

interface RelayNetworkProps {
  /** Name of the availability zone. `undefined`: the first one of the region. */
  readonly zone: string | undefined
  /** Id of CloudFront's prefix list, for a region that the mapping lacks. */
  readonly prefixList: string | undefined
  /** The port that CloudFront may connect to. */
  readonly port: number
  readonly log: ILogGroup
}

/**
 * The network of the relay's instance: one subnet without a public address, which costs nothing. S3 and DynamoDB are reached by gateway
 * endpoints over IPv4, all other services over IPv6 by an egress-only gateway, which accepts no connections from outside. VPC origins
 * require an internet gateway in the VPC; no route leads to it.
 */
export class RelayNetwork extends Construct {
  readonly subnetId: string
  readonly securityGroupId: string
  /** What an instance needs to reach AWS when it boots. */
  readonly ways: readonly IDependable[]
  /** VPC origins require it. */
  readonly internetGateway: IDependable

  constructor(scope: Construct, id: string, { zone, prefixList, port, log }: RelayNetworkProps) {
    super(scope, id)
    // The order of a region's zones is stable. Should it change all the same, the deployment fails, and `relayZones` helps.
    const availabilityZone = zone ?? Fn.select(0, Fn.getAzs())

    const vpc = new CfnVPC(this, 'Vpc', {
      cidrBlock: RANGE,
      enableDnsSupport: true,
      enableDnsHostnames: true,
    })
    const vpcId = vpc.ref
    const range6 = new CfnVPCCidrBlock(this, 'Range6', { vpcId, amazonProvidedIpv6CidrBlock: true })
    const subnet = new CfnSubnet(this, 'Subnet', {
      vpcId,
      availabilityZone,
      cidrBlock: RANGE,
      ipv6CidrBlock: Fn.select(0, Fn.cidr(Fn.select(0, vpc.attrIpv6CidrBlocks), 1, '64')),
      assignIpv6AddressOnCreation: true,
      mapPublicIpOnLaunch: false,
    })
    subnet.node.addDependency(range6)
    suppress(subnet, 'CloudFormation-Validate::W3010', 'The zone is that of the setting relayZones.')
    this.subnetId = subnet.ref

    const routes = new CfnRouteTable(this, 'Routes', { vpcId })
    const association = new CfnSubnetRouteTableAssociation(this, 'SubnetRoutes', {
      subnetId: subnet.ref,
      routeTableId: routes.ref,
    })
    const egress = new CfnEgressOnlyInternetGateway(this, 'Egress', { vpcId })
    const egressRoute = new CfnRoute(this, 'EgressRoute', {
      routeTableId: routes.ref,
      destinationIpv6CidrBlock: '::/0',
      egressOnlyInternetGatewayId: egress.ref,
    })
    const endpoints = ['S3', 'DynamoDB'].map(
      service =>
        new CfnVPCEndpoint(this, service, {
          vpcId,
          serviceName: `com.amazonaws.${Aws.REGION}.${service.toLowerCase()}`,
          vpcEndpointType: 'Gateway',
          routeTableIds: [routes.ref],
        }),
    )
    this.ways = [association, egressRoute, ...endpoints]

    const gateway = new CfnInternetGateway(this, 'Gateway')
    this.internetGateway = new CfnVPCGatewayAttachment(this, 'GatewayAttachment', {
      vpcId,
      internetGatewayId: gateway.ref,
    })
    this.securityGroupId = this.#firewall(vpcId, port, prefixList ?? cloudFrontList(this))
    new FlowLog(this, 'Refused', {
      resourceType: { resourceType: 'VPC', resourceId: vpcId } satisfies FlowLogResourceType,
      destination: FlowLogDestination.toCloudWatchLogs(log),
      trafficType: FlowLogTrafficType.REJECT,
    })
  }

  #firewall(vpcId: string, port: number, sourcePrefixListId: string): string {
    const https = { ipProtocol: 'tcp', fromPort: 443, toPort: 443, description: 'AWS' }
    const firewall = new CfnSecurityGroup(this, 'Firewall', {
      vpcId,
      groupDescription: 'Relay: in from CloudFront, out to AWS',
      securityGroupIngress: [
        { ipProtocol: 'tcp', fromPort: port, toPort: port, sourcePrefixListId, description: 'CloudFront' },
      ],
      securityGroupEgress: [
        { ...https, cidrIp: '0.0.0.0/0' },
        { ...https, cidrIpv6: '::/0' },
      ],
    })
    return firewall.attrGroupId
  }
}
