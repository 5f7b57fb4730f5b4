import { join } from 'node:path'
import { Aws, Duration } from 'aws-cdk-lib'
import { Peer, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2'
import { DockerImageAsset, Platform } from 'aws-cdk-lib/aws-ecr-assets'
import {
  AvailabilityZoneRebalancing,
  Capability,
  Cluster,
  ContainerImage,
  ContainerInsights,
  CpuArchitecture,
  FargateService,
  FargateTaskDefinition,
  type ICluster,
  LinuxParameters,
  LogDrivers,
  OperatingSystemFamily,
} from 'aws-cdk-lib/aws-ecs'
import {
  ApplicationLoadBalancer,
  ApplicationProtocol,
  DesyncMitigationMode,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { Settings } from '../settings.ts'
import { FargateNetwork } from './fargate-network.ts'
import { suppress, suppressWildcard } from './nag-suppressions.ts'
import { allow, allowBlobs, allowTable } from './permissions.ts'
import type { Storage } from './storage.ts'
import { vpcOrigin } from './vpc-origin.ts'

const PORT = 8080
const PROJECT = join(import.meta.dirname, '../..')
/** The files that the image contains. */
const SOURCES = ['lambda', 'server', 'package.json', 'package-lock.json', '.npmrc']

interface FargateRelayProps {
  readonly settings: Settings
  readonly storage: Storage
  readonly environment: Record<string, string>
  /** ARN of the SSM parameter that holds the secrets of edge and API. */
  readonly secretArn: string
  readonly log: ILogGroup
  readonly networkLog: ILogGroup
}

/**
 * Runs the same app as the API in containers, which stream bodies of any size: for clients that send a whole layer in
 * one PATCH. CloudFront reaches the load balancer inside the VPC. Neither the load balancer nor the containers accept
 * connections from the internet.
 */
export class FargateRelay extends Construct {
  /** Host name of the load balancer, which only CloudFront can reach. */
  readonly host: string
  readonly vpcOriginId: string

  constructor(scope: Construct, id: string, props: FargateRelayProps) {
    super(scope, id)
    const { settings } = props
    const { relayZones: zones, relayPrefixList: prefixList } = settings
    const network = new FargateNetwork(this, 'Network', { zones, prefixList, log: props.networkLog })
    const service = this.#createService(network, this.#defineTask(props), settings)
    const balancer = this.#createBalancer(network, service)
    const arn = balancer.loadBalancerArn
    const origin = vpcOrigin(this, { name: settings.name, arn, port: 80 })
    // A VPC origin does not use the internet gateway, but AWS requires one before it creates the origin.
    origin.node.addDependency(network.vpc.internetConnectivityEstablished)
    this.host = balancer.loadBalancerDnsName
    this.vpcOriginId = origin.attrId
  }

  #defineTask({ settings, storage, environment, secretArn, log }: FargateRelayProps): FargateTaskDefinition {
    const task = new FargateTaskDefinition(this, 'Task', {
      cpu: settings.relayCpu,
      memoryLimitMiB: settings.relayMemory,
      runtimePlatform: {
        cpuArchitecture: CpuArchitecture.ARM64,
        operatingSystemFamily: OperatingSystemFamily.LINUX,
      },
    })
    const linuxParameters = new LinuxParameters(this, 'Linux')
    linuxParameters.dropCapabilities(Capability.ALL)
    task.addContainer('relay', {
      image: ContainerImage.fromDockerImageAsset(imageOf(this)),
      environment: { ...environment, AWS_REGION: Aws.REGION },
      portMappings: [{ containerPort: PORT }],
      logging: LogDrivers.awsLogs({ logGroup: log, streamPrefix: 'relay' }),
      readonlyRootFilesystem: true,
      linuxParameters,
      stopTimeout: Duration.minutes(2),
    })
    allowTable(task.taskRole, storage)
    allowBlobs(task.taskRole, storage)
    allow(task.taskRole, 'ssm', ['GetParameter'], secretArn)
    suppress(
      task,
      'AwsSolutions-ECS2',
      'The variables are names of a table, a bucket and a parameter. The relay reads the secret itself from SSM when it starts.',
    )
    suppressWildcard(
      task.obtainExecutionRole(),
      '*',
      'The action ecr:GetAuthorizationToken cannot be limited to a repository: AWS accepts no other resource for it.',
    )
    return task
  }

  #createService(
    { vpc }: FargateNetwork,
    taskDefinition: FargateTaskDefinition,
    { relayMin, relayMax }: Settings,
  ): FargateService {
    const cluster = new Cluster(this, 'Cluster', { vpc, containerInsightsV2: ContainerInsights.DISABLED })
    suppress(
      cluster,
      'AwsSolutions-ECS4',
      'ECS and the load balancer report processor, memory and requests of one small service without further charge.',
    )
    const firewall = new SecurityGroup(this, 'TaskFirewall', {
      vpc,
      description: 'Relay: in from the load balancer, out to AWS',
      allowAllOutbound: false,
    })
    firewall.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'AWS')
    const service = new FargateService(this, 'Service', {
      cluster: cluster as ICluster,
      taskDefinition,
      assignPublicIp: true,
      vpcSubnets: { subnetType: SubnetType.PUBLIC },
      securityGroups: [firewall],
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { rollback: true },
      availabilityZoneRebalancing: AvailabilityZoneRebalancing.ENABLED,
    })
    service
      .autoScaleTaskCount({ minCapacity: relayMin, maxCapacity: relayMax })
      .scaleOnCpuUtilization('Busy', { targetUtilizationPercent: 60 })
    return service
  }

  #createBalancer({ vpc, cloudFront }: FargateNetwork, service: FargateService): ApplicationLoadBalancer {
    const firewall = new SecurityGroup(this, 'BalancerFirewall', {
      vpc,
      description: 'Relay: in from CloudFront, out to the tasks',
      allowAllOutbound: false,
    })
    firewall.addIngressRule(cloudFront, Port.tcp(80), 'CloudFront')
    const balancer = new ApplicationLoadBalancer(this, 'Balancer', {
      vpc,
      internetFacing: false,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      securityGroup: firewall,
      idleTimeout: Duration.seconds(120),
      dropInvalidHeaderFields: true,
      desyncMitigationMode: DesyncMitigationMode.STRICTEST,
    })
    suppress(
      balancer,
      'AwsSolutions-ELB2',
      'Only CloudFront reaches the load balancer, and the relay logs each request itself.',
    )
    // Not TLS: the load balancer has a name of Amazon's, for which there is no certificate. The connection is
    // CloudFront's private one into the VPC.
    balancer
      .addListener('FromCloudFront', { port: 80, protocol: ApplicationProtocol.HTTP, open: false })
      .addTargets('Tasks', {
        port: PORT,
        protocol: ApplicationProtocol.HTTP,
        targets: [service],
        // The health check does not have the edge header, so a healthy relay refuses it.
        healthCheck: { path: '/v2/', healthyHttpCodes: '200,401,403', interval: Duration.seconds(15) },
        deregistrationDelay: Duration.minutes(2),
      })
    return balancer
  }
}

function imageOf(scope: Construct): DockerImageAsset {
  return new DockerImageAsset(scope, 'Image', {
    directory: PROJECT,
    file: 'server/Dockerfile',
    platform: Platform.LINUX_ARM64,
    exclude: ['*', ...SOURCES.map(path => `!${path}`)],
  })
}
