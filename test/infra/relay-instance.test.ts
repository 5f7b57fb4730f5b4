import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readAmis } from '../../infra/amis.ts'
import { CLOUDFRONT_LISTS } from '../../infra/constructs/cloudfront-lists.ts'
import { flat, type Loose, synthesize } from './synthesize.ts'

const made = synthesize()
const instance = made.one('AWS::EC2::Instance')
const userData = flat(instance.UserData['Fn::Base64'])

/** The configuration by name, as systemd reads the file. */
function configurationOf(settings: Record<string, unknown>): Record<string, string> {
  const lines = flat(synthesize(settings).one('AWS::SSM::Parameter').Value).trimEnd().split('\n')
  return Object.fromEntries(
    lines.map(line => {
      const [, name = '', value = ''] = /^(\w+)="(.*)"$/.exec(line) ?? []
      return [name, value.replace(/\\(.)/g, '$1')]
    }),
  )
}

describe('Without a relay', () => {
  const none = synthesize({ relay: 'off' })

  it('there is no network and no machine', () => {
    const types = Object.values(none.template.Resources).map(({ Type }) => Type)
    expect(types.filter(type => /^AWS::(EC2|ECS|ElasticLoadBalancingV2)::/.test(type))).toEqual([])
  })

  it('the edge is told that there is none', () => {
    expect(none.one('Custom::EdgeSecret').relay).toBe('off')
    expect(none.all('Custom::RelaySwitch')).toEqual([])
  })
})

describe('The relay', () => {
  it.each([
    ['auto', 'auto'],
    ['always', 'on'],
    ['fargate', 'on'],
  ])('%s is announced to the edge as %s, after the edge can reach it', (relay, value) => {
    const [announced] = synthesize({ relay }).all('Custom::RelaySwitch')
    expect(announced?.Properties).toMatchObject({ value })
    expect(announced?.DependsOn).toEqual([expect.stringMatching(/^EdgeDistribution/)])
    expect(synthesize({ relay }).one('Custom::EdgeSecret').relay).toBe('on')
  })

  it('is an origin of the edge with the edge header', () => {
    const { Origins } = made.one('AWS::CloudFront::Distribution').DistributionConfig
    const origin = Origins.find((origin: Loose) => origin.Id === 'relay')
    expect(flat(origin.DomainName)).toMatch(/^<RelayInstanceInstance\w+\.PrivateDnsName>$/)
    expect(flat(origin.VpcOriginConfig.VpcOriginId)).toMatch(/^<RelayInstanceOrigin\w+\.Id>$/)
    expect(origin.OriginCustomHeaders).toEqual(
      Origins.find((origin: Loose) => origin.Id === 'api').OriginCustomHeaders,
    )
  })

  it('is one small instance with an image of Amazon Linux for arm64', () => {
    expect(instance.InstanceType).toBe('t4g.small')
    expect(flat(instance.ImageId)).toContain('Fn::FindInMap')
    expect(readAmis().image).toMatch(/^al2023-ami-2023\..*-arm64$/)
    for (const id of Object.values(readAmis().regions)) expect(id).toMatch(/^ami-[0-9a-f]{17}$/)
  })

  it('has an image in each region whose prefix list is known', () => {
    expect(Object.keys(readAmis().regions)).toEqual(expect.arrayContaining(Object.keys(CLOUDFRONT_LISTS)))
  })

  it('stops, and is not terminated, when it powers itself off', () => {
    expect(instance.InstanceInitiatedShutdownBehavior).toBe('stop')
  })

  it('has no key pair, an encrypted disk, and metadata for its own processes only', () => {
    expect(instance).not.toHaveProperty('KeyName')
    expect(instance.BlockDeviceMappings).toEqual([
      {
        DeviceName: '/dev/xvda',
        Ebs: { Encrypted: true, VolumeSize: 8, VolumeType: 'gp3', DeleteOnTermination: true },
      },
    ])
    expect(instance.MetadataOptions).toEqual({
      HttpEndpoint: 'enabled',
      HttpTokens: 'required',
      HttpPutResponseHopLimit: 1,
    })
  })

  it('is known to the API and the collector alone', () => {
    const knowing = made
      .all('AWS::Lambda::Function')
      .filter(({ Properties = {} }) => flat(Properties.Environment).includes('LONGSHORE_RELAY_INSTANCE'))
      .map(({ Properties = {} }) => flat(Properties.Role).replace(/Role\w+/, ''))
    expect(knowing).toEqual(['<FunctionsApi.Arn>', '<FunctionsCollector.Arn>'])
  })
})

describe('What a default deployment costs by the hour', () => {
  it('is the disk of the relay, with the size and the type of docs/costs.md', () => {
    const [{ Ebs }] = instance.BlockDeviceMappings
    const costs = readFileSync('docs/costs.md', 'utf8')
    expect(costs).toContain(`\n| ${Ebs.VolumeType} volume | ${Ebs.VolumeSize} |`)
    expect(costs).toContain(`\n| ${instance.InstanceType} instance |`)
  })

  it('is nothing else', () => {
    const types = new Set(Object.values(made.template.Resources).map(({ Type }) => Type))
    const charged = /::(NatGateway|EIP|LoadBalancer|TransitGateway|Service|Alarm)$/
    expect([...types].filter(type => charged.test(type))).toEqual([])
    for (const { Properties = {} } of made.all('AWS::EC2::VPCEndpoint'))
      expect(Properties.VpcEndpointType).toBe('Gateway')
  })
})

describe('The network of the relay', () => {
  it('has no public address, no NAT gateway and no load balancer', () => {
    const types = Object.values(made.template.Resources).map(({ Type }) => Type)
    expect(types.filter(type => /NatGateway|::EIP|LoadBalancer/.test(type))).toEqual([])
    expect(made.one('AWS::EC2::Subnet').MapPublicIpOnLaunch).toBe(false)
    expect(instance).not.toHaveProperty('NetworkInterfaces')
  })

  it('has one route, for IPv6, which lets nobody in', () => {
    const { DestinationIpv6CidrBlock, EgressOnlyInternetGatewayId, ...others } = made.one('AWS::EC2::Route')
    expect(DestinationIpv6CidrBlock).toBe('::/0')
    expect(flat(EgressOnlyInternetGatewayId)).toMatch(/^<RelayInstanceNetwork[0-9a-f]{8}Egress\w+>$/)
    expect(Object.keys(others)).toEqual(['RouteTableId'])
  })

  it('reaches S3 and DynamoDB by gateways of the route table of its subnet', () => {
    const endpoints = made.all('AWS::EC2::VPCEndpoint').map(({ Properties = {} }) => Properties)
    expect(endpoints.map(({ ServiceName }) => flat(ServiceName))).toEqual([
      'com.amazonaws.<AWS::Region>.s3',
      'com.amazonaws.<AWS::Region>.dynamodb',
    ])
    const { RouteTableId } = made.one('AWS::EC2::SubnetRouteTableAssociation')
    for (const { VpcEndpointType, RouteTableIds } of endpoints) {
      expect(VpcEndpointType).toBe('Gateway')
      expect(RouteTableIds).toEqual([RouteTableId])
    }
  })

  it('lets in CloudFront to the port of the relay, and nobody else', () => {
    const [rule, ...others] = made.one('AWS::EC2::SecurityGroup').SecurityGroupIngress
    expect(others).toEqual([])
    expect(rule).toMatchObject({ IpProtocol: 'tcp', FromPort: 8080, ToPort: 8080 })
    expect(flat(rule.SourcePrefixListId)).toContain('CloudFrontLists')
    expect(configurationOf({}).PORT).toBe('8080')
    expect(made.all('AWS::EC2::SecurityGroupIngress')).toEqual([])
  })

  it('uses the prefix list and the zone of the settings', () => {
    const chosen = synthesize({ relayPrefixList: 'pl-0123abcd', relayZones: 'eu-west-1b' })
    const [rule] = chosen.one('AWS::EC2::SecurityGroup').SecurityGroupIngress
    expect(rule.SourcePrefixListId).toBe('pl-0123abcd')
    expect(chosen.one('AWS::EC2::Subnet').AvailabilityZone).toBe('eu-west-1b')
  })
})

describe('The configuration of the relay', () => {
  it('contains the environment of the API', () => {
    const corsOrigins = 'https://ui.example.com'
    const configuration = configurationOf({ corsOrigins })
    const [variables = {}] = synthesize({ corsOrigins })
      .all('AWS::Lambda::Function')
      .filter(({ Properties = {} }) => flat(Properties.Role).startsWith('<FunctionsApi'))
      .map(({ Properties = {} }): Record<string, unknown> => (Properties.Environment as Loose).Variables)
    expect(configuration).toMatchObject(
      Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, flat(value)])),
    )
  })

  it('quotes values as systemd reads them', () => {
    const issuers = [{ name: 'ci', issuer: 'https://ci.example', claims: { ref: 'a"b\\c*' } }]
    expect(configurationOf({ issuers }).LONGSHORE_ISSUERS).toBe(JSON.stringify(issuers))
  })

  it('names the program by its place and its digest', () => {
    expect(configurationOf({})).toMatchObject({
      LONGSHORE_BUNDLE_BUCKET: expect.stringMatching(/^cdk-.*-assets-/),
      LONGSHORE_BUNDLE_KEY: expect.stringMatching(/^[0-9a-f]{64}\./),
      LONGSHORE_BUNDLE_SHA256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
  })

  it('names a release of the packages that is not older than the image', () => {
    const [, release = ''] = /^al2023-ami-(2023\.\d+\.\d{8})/.exec(readAmis().image) ?? []
    expect(configurationOf({}).LONGSHORE_PACKAGES).toBe(readAmis().packages)
    expect(readAmis().packages >= release).toBe(true)
  })

  it('reaches SSM over IPv6', () => {
    expect(configurationOf({}).AWS_ENDPOINT_URL_SSM).toBe('https://ssm.<AWS::Region>.api.aws')
  })

  it('lets the relay power off after the idle time, unless it shall always run', () => {
    expect(configurationOf({ relayIdleMinutes: 30 })).toMatchObject({
      LONGSHORE_RELAY_IDLE_MINUTES: '30',
      LONGSHORE_POWER_OFF: '/usr/local/lib/longshore/power-off',
    })
    const always = configurationOf({ relay: 'always' })
    expect(always.LONGSHORE_RELAY_IDLE_MINUTES).toBe('0')
    expect(always).not.toHaveProperty('LONGSHORE_POWER_OFF')
  })
})

describe('The user data', () => {
  it('runs at every boot', () => {
    expect(userData).toMatch(/^#cloud-boothook\n#!\/bin\/sh\n/)
  })

  it('fits into 16 KB', () => {
    expect(Buffer.byteLength(userData)).toBeLessThan(12_000)
  })

  it('turns off the ways to a shell', () => {
    expect(userData).toMatch(/^systemctl mask --now sshd\.service amazon-ssm-agent\.service$/m)
  })

  it('sends the log to the log group of the relay, over IPv6', () => {
    expect(userData).toContain('"endpoint_override":"logs.<AWS::Region>.api.aws"')
    expect(userData).toMatch(/"log_group_name":"<Logsrelay\w+>"/)
  })

  it('stays the same when settings of the relay change, so that a running instance is not stopped', () => {
    const changed = synthesize({ relayIdleMinutes: 60, relay: 'always', graceHours: 48 })
    expect(changed.one('AWS::EC2::Instance').UserData).toEqual(instance.UserData)
  })
})
