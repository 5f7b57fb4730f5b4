import { Aws, CfnMapping, Fn } from 'aws-cdk-lib'
import { CfnInstance } from 'aws-cdk-lib/aws-ec2'
import { CfnInstanceProfile, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { CfnParameter } from 'aws-cdk-lib/aws-ssm'
import { Construct } from 'constructs'
import type { Amis } from '../amis.ts'
import type { Settings } from '../settings.ts'
import { suppress } from './nag-suppressions.ts'
import { allow, allowBlobs, allowTable } from './permissions.ts'
import { relayConfiguration } from './relay-configuration.ts'
import { RelayNetwork } from './relay-network.ts'
import { RelayProgram } from './relay-program.ts'
import { relayUserData } from './relay-user-data.ts'
import type { Storage } from './storage.ts'
import { hashOf, vpcOrigin } from './vpc-origin.ts'

const PORT = 8080
/** The size of the image, in GiB. Blobs are never written to the disk. */
const DISK = 8

interface RelayInstanceProps {
  readonly settings: Settings
  readonly amis: Amis
  readonly storage: Storage
  /** The environment variables of the API. */
  readonly environment: Readonly<Record<string, string>>
  /** ARN of the SSM parameter that holds the secrets of edge and API. */
  readonly secretArn: string
  readonly log: ILogGroup
  readonly networkLog: ILogGroup
}

/**
 * The relay as one EC2 instance, which CloudFront reaches directly as a VPC origin (docs/decisions/0014-sleeping-relay.md). The API starts
 * it, and it powers itself off: EC2 then stops it. It has no public address, no key pair and no shell from outside.
 */
export class RelayInstance extends Construct {
  readonly instanceId: string
  readonly instanceArn: string
  /** Host name of the instance inside the VPC, which stays the same while it is stopped. */
  readonly host: string
  readonly vpcOriginId: string

  constructor(scope: Construct, id: string, props: RelayInstanceProps) {
    super(scope, id)
    const { settings, amis, environment, log } = props
    const [zone] = settings.relayZones ?? []
    const parameter = `/${settings.name}/relay`
    const program = new RelayProgram(this, 'Program')
    // A subnet in another zone is one of another network: in the same network, the old and the new one would overlap.
    const network = new RelayNetwork(this, `Network${hashOf(this, { zone })}`, {
      zone,
      prefixList: settings.relayPrefixList,
      port: PORT,
      log: props.networkLog,
    })
    const instance = this.#instance(props, network, {
      iamInstanceProfile: new CfnInstanceProfile(this, 'Profile', {
        roles: [this.#role(props, program, parameter).roleName],
      }).ref,
      userData: Fn.base64(relayUserData({ parameter, log: log.logGroupName })),
    })
    this.instanceId = instance.ref
    this.instanceArn = `arn:${Aws.PARTITION}:ec2:${Aws.REGION}:${Aws.ACCOUNT_ID}:instance/${instance.ref}`
    new CfnParameter(this, 'Configuration', {
      name: parameter,
      description: 'Longshore: the configuration of its relay, which contains no secrets',
      type: 'String',
      // The standard tier, which is free, holds 4 KB.
      tier: 'Intelligent-Tiering',
      value: relayConfiguration({
        settings,
        packages: amis.packages,
        environment,
        program,
        instanceId: instance.ref,
        port: PORT,
      }),
    })
    const origin = vpcOrigin(this, { name: settings.name, arn: this.instanceArn, port: PORT })
    origin.node.addDependency(network.internetGateway)
    this.host = instance.attrPrivateDnsName
    this.vpcOriginId = origin.attrId
  }

  /** The logical id contains a hash of what would replace the instance; see {@link vpcOrigin}. User data does not. */
  #instance(
    { settings: { name, relayInstance, relayAmi }, amis }: RelayInstanceProps,
    network: RelayNetwork,
    replaceable: { readonly iamInstanceProfile: string; readonly userData: string },
  ): CfnInstance {
    const replacing = {
      instanceType: relayInstance,
      subnetId: network.subnetId,
      blockDeviceMappings: [
        {
          deviceName: '/dev/xvda',
          ebs: { volumeType: 'gp3', volumeSize: DISK, encrypted: true, deleteOnTermination: true },
        },
      ],
    }
    const hash = hashOf(this, { replacing, image: relayAmi ?? amis.regions })
    const instance = new CfnInstance(this, `Instance${hash}`, {
      ...replacing,
      ...replaceable,
      imageId: relayAmi ?? this.#imageOfRegion(amis.regions),
      securityGroupIds: [network.securityGroupId],
      metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1 },
      instanceInitiatedShutdownBehavior: 'stop',
      tags: [{ key: 'Name', value: `${name}-relay` }],
    })
    instance.node.addDependency(...network.ways)
    suppress(
      instance,
      'CloudFormation-Validate::W9010',
      'The image is in a mapping, or the one of the setting relayAmi.',
    )
    suppress(
      instance,
      'AwsSolutions-EC28',
      'Metrics at intervals of one minute cost 2.10 dollars a month; those of five minutes and the log of each request are enough for one small server.',
    )
    suppress(
      instance,
      'AwsSolutions-EC29',
      'The instance holds no data and is replaced with the stack: protection from termination would only prevent that.',
    )
    return instance
  }

  #imageOfRegion(amis: Readonly<Record<string, string>>): string {
    const mapping = Object.fromEntries(Object.entries(amis).map(([region, id]) => [region, { id }]))
    return new CfnMapping(this, 'Images', { mapping }).findInMap(Aws.REGION, 'id')
  }

  #role({ storage, secretArn, log }: RelayInstanceProps, program: RelayProgram, parameter: string): Role {
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') })
    allowTable(role, storage)
    allowBlobs(role, storage)
    const parameterArn = `arn:${Aws.PARTITION}:ssm:${Aws.REGION}:${Aws.ACCOUNT_ID}:parameter${parameter}`
    allow(role, 'ssm', ['GetParameter'], secretArn, parameterArn)
    allow(role, 's3', ['GetObject'], `arn:${Aws.PARTITION}:s3:::${program.bucketName}/${program.key}`)
    allow(role, 'logs', ['CreateLogStream', 'DescribeLogStreams', 'PutLogEvents'], log.logGroupArn)
    return role
  }
}
