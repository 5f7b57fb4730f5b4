import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { KEEP_ALIVE_MS } from '../../server/node-http.ts'
import { flat, type Loose, synthesize } from './synthesize.ts'

const made = synthesize({ relay: 'fargate', relayCpu: 1024, relayMemory: 2048, relayMin: 2, relayMax: 6 })
const edge: Loose = made.one('AWS::CloudFront::Distribution').DistributionConfig

describe('The Fargate relay', () => {
  it('is an origin that gets the edge header', () => {
    const origin = edge.Origins.find((origin: Loose) => origin.Id === 'relay')
    expect(flat(origin.VpcOriginConfig.VpcOriginId)).toMatch(/^<RelayOrigin\w+\.Id>$/)
    expect(origin).not.toHaveProperty('CustomOriginConfig')
    expect(origin.OriginCustomHeaders).toEqual(
      edge.Origins.find((origin: Loose) => origin.Id === 'api').OriginCustomHeaders,
    )
  })

  it('is announced after the distribution has it as an origin', () => {
    const [announced] = made.all('Custom::RelaySwitch')
    expect(announced?.DependsOn).toEqual([expect.stringMatching(/^EdgeDistribution/)])
    expect(made.one('Custom::EdgeSecret').relay).toBe('on')
  })

  it('has an internal load balancer, in subnets without a route to the internet', () => {
    const balancer = made.one('AWS::ElasticLoadBalancingV2::LoadBalancer')
    expect(balancer.Scheme).toBe('internal')
    const isolated = balancer.Subnets.map(({ Ref }: Loose) => Ref)
    expect(isolated).toHaveLength(2)
    const routes = made.all('AWS::EC2::Route').map(({ Properties = {} }) => flat(Properties.RouteTableId))
    for (const subnet of isolated) {
      const [table = ''] = made
        .all('AWS::EC2::SubnetRouteTableAssociation')
        .filter(({ Properties = {} }) => flat(Properties.SubnetId) === `<${subnet}>`)
        .map(({ Properties = {} }) => flat(Properties.RouteTableId))
      expect(table).not.toBe('')
      expect(routes).not.toContain(table)
    }
  })

  it('accepts connections from CloudFront to the load balancer and from there to the tasks only', () => {
    const groups = made.all('AWS::EC2::SecurityGroup').map(({ Properties = {} }) => Properties)
    expect(groups.flatMap(({ SecurityGroupIngress = [] }) => SecurityGroupIngress)).toEqual([])
    const rules = made.all('AWS::EC2::SecurityGroupIngress').map(({ Properties = {} }) => Properties as Loose)
    expect(
      rules.map(({ GroupId, SourcePrefixListId, SourceSecurityGroupId, FromPort, ToPort }) => [
        flat(GroupId).replace(/(Firewall)\w+/, '$1'),
        flat(SourceSecurityGroupId ?? SourcePrefixListId).replace(/(Firewall|Lists)\w+/, '$1'),
        FromPort,
        ToPort,
      ]),
    ).toEqual([
      ['<RelayTaskFirewall.GroupId>', '<RelayBalancerFirewall.GroupId>', 8080, 8080],
      [
        '<RelayBalancerFirewall.GroupId>',
        '{"Fn::FindInMap":["RelayNetworkCloudFrontLists",{"Ref":"AWS::Region"},"id"]}',
        80,
        80,
      ],
    ])
  })

  it('uses the prefix list of the setting', () => {
    const given = synthesize({ relay: 'fargate', relayPrefixList: 'pl-0123abcd' })
    const lists = given
      .all('AWS::EC2::SecurityGroupIngress')
      .map(({ Properties = {} }) => Properties.SourcePrefixListId)
    expect(lists).toContain('pl-0123abcd')
  })

  it('keeps idle connections longer than its load balancer, so that none closes during a request', () => {
    const attributes: Loose[] = made.one('AWS::ElasticLoadBalancingV2::LoadBalancer').LoadBalancerAttributes
    const idle = attributes.find(({ Key }) => Key === 'idle_timeout.timeout_seconds')
    expect(KEEP_ALIVE_MS).toBeGreaterThan((Number(idle?.Value) + 1) * 1000)
  })

  it('has no NAT gateway', () => {
    expect(made.all('AWS::EC2::NatGateway')).toEqual([])
  })

  it('reaches S3 and DynamoDB through gateway endpoints', () => {
    const services = made
      .all('AWS::EC2::VPCEndpoint')
      .map(({ Properties = {} }) => flat(Properties.ServiceName))
    expect(services).toEqual(['com.amazonaws.<AWS::Region>.s3', 'com.amazonaws.<AWS::Region>.dynamodb'])
  })

  it('runs tasks of the number and size of the settings, and more under load', () => {
    expect(made.one('AWS::ECS::TaskDefinition')).toMatchObject({
      Cpu: '1024',
      Memory: '2048',
      RuntimePlatform: { CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' },
    })
    expect(made.one('AWS::ApplicationAutoScaling::ScalableTarget')).toMatchObject({
      MinCapacity: 2,
      MaxCapacity: 6,
    })
    expect(made.one('AWS::ECS::Service')).not.toHaveProperty('DesiredCount')
  })

  it('has a read-only file system and no capabilities', () => {
    const [container] = made.one('AWS::ECS::TaskDefinition').ContainerDefinitions
    expect(container.ReadonlyRootFilesystem).toBe(true)
    expect(container.LinuxParameters).toEqual({ Capabilities: { Drop: ['ALL'] } })
    expect(readFileSync('server/Dockerfile', 'utf8')).toMatch(/^USER node$/m)
  })

  it('has the same environment as the API', () => {
    const [container] = made.one('AWS::ECS::TaskDefinition').ContainerDefinitions
    const told = Object.fromEntries(container.Environment.map(({ Name, Value }: Loose) => [Name, Value]))
    const [api] = made
      .all('AWS::Lambda::Function')
      .map(({ Properties = {} }) => Properties.Environment as Loose | undefined)
      .filter(environment => environment !== undefined)
    expect(told).toEqual({ ...api?.Variables, AWS_REGION: { Ref: 'AWS::Region' } })
  })

  it('passes a health check that has no edge header', () => {
    expect(made.one('AWS::ElasticLoadBalancingV2::TargetGroup')).toMatchObject({
      HealthCheckPath: '/v2/',
      Matcher: { HttpCode: '200,401,403' },
    })
  })

  it('runs in the zones of the setting', () => {
    const zones = synthesize({ relay: 'fargate', relayZones: 'us-east-1a,us-east-1c' })
      .all('AWS::EC2::Subnet')
      .map(({ Properties = {} }) => Properties.AvailabilityZone)
    expect([...new Set(zones)]).toEqual(['us-east-1a', 'us-east-1c'])
  })
})

describe('The image', () => {
  const lines = readFileSync('server/Dockerfile', 'utf8').split('\n')

  it('copies only files that exist', () => {
    const copied = lines
      .filter(line => line.startsWith('COPY') && !line.includes('--from'))
      .flatMap(line => line.split(' ').slice(1, -1))
    expect(copied.length).toBeGreaterThan(3)
    expect(copied.filter(path => !existsSync(path))).toEqual([])
  })

  it('runs no command on the target processor', () => {
    const stages = lines
      .join('\n')
      .split(/^FROM /m)
      .slice(1)
    const running = stages.filter(stage => /^RUN /m.test(stage))
    for (const stage of running) expect(stage).toMatch(/^--platform=\$BUILDPLATFORM /)
  })
})
