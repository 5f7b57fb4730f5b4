import { describe, expect, it } from 'vitest'
import { readAmis } from '../../infra/amis.ts'
import type { TemplateResource } from '../support/resource-schemas.ts'
import { flat, synthesize } from './synthesize.ts'

const ORIGIN = 'AWS::CloudFront::VpcOrigin'
const INSTANCE = 'AWS::EC2::Instance'

/** What VPC origins depend on, and the properties that CloudFormation changes by replacing it. */
const REPLACING: [type: string, properties: string[]][] = [
  [INSTANCE, ['ImageId', 'InstanceType', 'SubnetId', 'BlockDeviceMappings']],
  ['AWS::EC2::VPC', ['CidrBlock']],
  ['AWS::ElasticLoadBalancingV2::LoadBalancer', ['Name', 'Scheme', 'Type']],
]

const resourcesOf = (settings: Record<string, unknown>) => synthesize(settings).template.Resources

/** The resources of a type that both templates have under one logical id: CloudFormation updates them. */
function updated(type: string, before: Record<string, unknown>, after: Record<string, unknown>) {
  const [old, changed] = [resourcesOf(before), resourcesOf(after)]
  const ids = Object.keys(old).filter(id => old[id]?.Type === type && changed[id]?.Type === type)
  return ids.map((id): [TemplateResource | undefined, TemplateResource | undefined] => [old[id], changed[id]])
}

/** Changes of a deployment, among them all that an administrator makes and those of a release of Longshore. */
const CHANGES: [change: string, before: Record<string, unknown>, after: Record<string, unknown>][] = [
  ['the tags', { tags: 'owner=me' }, { tags: 'owner=you,stage=test' }],
  ['the image', {}, { relayAmi: 'ami-0123456789abcdef0' }],
  ['the image again', { relayAmi: 'ami-0123456789abcdef1' }, { relayAmi: 'ami-0123456789abcdef0' }],
  ['the instance type', {}, { relayInstance: 'c8g.medium' }],
  ['the name', {}, { name: 'images' }],
  ['the zone', { relayZones: 'eu-west-1a' }, { relayZones: 'eu-west-1b' }],
  ['the idle time', {}, { relayIdleMinutes: 60 }],
  ['the mode', {}, { relay: 'always' }],
  ['the kind of relay', {}, { relay: 'fargate' }],
  ['the environment', {}, { graceHours: 48, pull: 'edge' }],
  ['the tags, with Fargate', { relay: 'fargate' }, { relay: 'fargate', tags: 'owner=you' }],
  ['the name, with Fargate', { relay: 'fargate' }, { relay: 'fargate', name: 'images' }],
  [
    'the zones, with Fargate',
    { relay: 'fargate' },
    { relay: 'fargate', relayZones: 'eu-west-1b,eu-west-1c' },
  ],
]

describe.each(CHANGES)('A deployment that changes %s', (_, before, after) => {
  it('updates no VPC origin', () => {
    for (const [old, changed] of updated(ORIGIN, before, after)) expect(changed).toEqual(old)
  })

  it.each(REPLACING)('replaces no %s under its logical id', (type, properties) => {
    for (const [old, changed] of updated(type, before, after))
      for (const property of properties)
        expect(changed?.Properties?.[property], property).toEqual(old?.Properties?.[property])
  })
})

describe('A change of the zone', () => {
  it('makes a new network, because two subnets of one network would overlap', () => {
    const [before, after] = [{ relayZones: 'eu-west-1a' }, { relayZones: 'eu-west-1b' }]
    for (const type of ['AWS::EC2::VPC', 'AWS::EC2::Subnet']) expect(updated(type, before, after)).toEqual([])
  })
})

describe('The VPC origin', () => {
  it.each([
    ['the image', { relayAmi: 'ami-0123456789abcdef0' }],
    ['the instance type', { relayInstance: 'c8g.medium' }],
    ['the zone', { relayZones: 'eu-west-1b' }],
  ])('is a new one, with a new name, after a change of %s', (_, settings) => {
    expect(updated(ORIGIN, {}, settings)).toEqual([])
    expect(nameOf(settings)).not.toBe(nameOf({}))
  })

  it('is a new one when a release of Longshore pins new images', () => {
    const pinned = readAmis()
    const regions = { ...pinned.regions, 'us-east-1': 'ami-0123456789abcdef0' }
    const later = synthesize({}, { ...pinned, regions }).template.Resources
    const [id = ''] = Object.entries(resourcesOf({})).find(([, { Type }]) => Type === ORIGIN) ?? []
    expect(later).not.toHaveProperty(id)
  })

  it('stays the same one when only the release of the packages is newer', () => {
    const later = synthesize({}, { ...readAmis(), packages: '2023.13.20270101' })
    expect(later.one(ORIGIN)).toEqual(synthesize().one(ORIGIN))
  })

  it('stays the same one after a change of tags, environment or idle time', () => {
    const settings = { tags: 'owner=me', graceHours: 48, relayIdleMinutes: 60 }
    expect(updated(ORIGIN, {}, settings)).toHaveLength(1)
    expect(updated(INSTANCE, {}, settings)).toHaveLength(1)
  })

  it('has a name that no other region and no other deployment has', () => {
    expect(nameOf({})).toMatch(/^longshore-relay-<AWS::Region>-[0-9a-f]{8}$/)
    const longest = `${'n'.repeat(28)}-relay-ap-southeast-1-0a1b2c3d`
    expect(longest.length).toBeLessThanOrEqual(64)
  })

  it('has no tags, not even those of the stack', () => {
    const made = synthesize({ tags: 'owner=me' })
    expect(made.one(ORIGIN)).not.toHaveProperty('Tags')
    expect(made.one(INSTANCE).Tags).toContainEqual({ Key: 'owner', Value: 'me' })
    const [stack] = made.app.synth().stacks
    expect(stack?.tags).toEqual({})
  })

  it('waits for the internet gateway', () => {
    const [origin] = synthesize().all(ORIGIN)
    expect(origin?.DependsOn).toEqual([
      expect.stringMatching(/^RelayInstanceNetwork[0-9a-f]{8}GatewayAttachment/),
    ])
  })
})

function nameOf(settings: Record<string, unknown>): string {
  return flat(synthesize(settings).one(ORIGIN).VpcOriginEndpointConfig.Name)
}
