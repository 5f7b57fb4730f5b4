import { describe, expect, it } from 'vitest'
import { synthesize } from './synthesize.ts'

/*
 * CloudFormation deletes a resource whose logical id is gone and creates the one with the new id. It replaces a resource when one of
 * certain properties changes. So the ids and properties below never change: a deployed registry would lose its data, its keys or its
 * address, or the update would fail because a name is taken. VPC origins and the relay's instance are the exception
 * (vpc-origin.test.ts).
 */

const nameWithRegion = (prefix: string) => ({
  'Fn::Join': ['', [prefix, { Ref: 'AWS::Region' }]],
})

const ALWAYS = {
  StorageBlobs31FE9BCB: { Type: 'AWS::S3::Bucket' },
  StorageTableB43FDCE7: {
    Type: 'AWS::DynamoDB::GlobalTable',
    Properties: {
      KeySchema: [
        { AttributeName: 'partition', KeyType: 'HASH' },
        { AttributeName: 'sort', KeyType: 'RANGE' },
      ],
    },
  },
  EdgeSecretStoreBFA86079: {
    Type: 'AWS::CloudFront::KeyValueStore',
    Properties: { Name: nameWithRegion('longshore-') },
  },
  EdgeSecret44B034DA: { Type: 'Custom::EdgeSecret', Properties: { parameter: '/longshore/edge-secret' } },
  FirstAdministratorPasswordF3FC919D: { Type: 'AWS::SecretsManager::Secret' },
  FirstAdministratorAccount88ED25EC: { Type: 'Custom::FirstAdministrator' },
  ApiF1A3B7F9: { Type: 'AWS::ApiGatewayV2::Api', Properties: { ProtocolType: 'HTTP' } },
  EdgeDistributionE594885F: { Type: 'AWS::CloudFront::Distribution' },
  EdgeAccess447D0B8A: {
    Type: 'AWS::CloudFront::OriginAccessControl',
    Properties: { OriginAccessControlConfig: { Name: nameWithRegion('longshore-bucket-') } },
  },
  Edgeviewerrequest23186580: {
    Type: 'AWS::CloudFront::Function',
    Properties: { Name: nameWithRegion('longshore-viewer-request-') },
  },
  EdgeviewerresponseB3AF658A: {
    Type: 'AWS::CloudFront::Function',
    Properties: { Name: nameWithRegion('longshore-viewer-response-') },
  },
  Logsapi3151F358: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: '/longshore/api' } },
  LogsclaimB064487C: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: '/longshore/claim' } },
  Logscollector44643C20: {
    Type: 'AWS::Logs::LogGroup',
    Properties: { LogGroupName: '/longshore/collector' },
  },
  Logsrequests86970AC9: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: '/longshore/requests' } },
}

const WITH_RELAY = {
  EdgeSecretRelay13BF41EE: { Type: 'Custom::RelaySwitch' },
  RelayNetworkVpc86E8D780: { Type: 'AWS::EC2::VPC', Properties: { CidrBlock: '10.0.0.0/16' } },
  RelayTaskFirewallAD0847AD: {
    Type: 'AWS::EC2::SecurityGroup',
    Properties: { GroupDescription: 'Relay: in from the load balancer, out to AWS' },
  },
  RelayBalancerFirewall30ACF46C: {
    Type: 'AWS::EC2::SecurityGroup',
    Properties: { GroupDescription: 'Relay: in from CloudFront, out to the tasks' },
  },
  RelayBalancer1923944C: {
    Type: 'AWS::ElasticLoadBalancingV2::LoadBalancer',
    Properties: { Scheme: 'internal' },
  },
  RelayBalancerFromCloudFrontTasksGroupDBF8463B: {
    Type: 'AWS::ElasticLoadBalancingV2::TargetGroup',
    Properties: { Port: 8080, Protocol: 'HTTP', TargetType: 'ip' },
  },
  RelayCluster6ADB58DA: { Type: 'AWS::ECS::Cluster' },
  RelayService2233959F: { Type: 'AWS::ECS::Service' },
}

describe('The logical ids and replacement-causing properties', () => {
  it('of what holds data, keys and addresses never change', () => {
    expect(synthesize().template.Resources).toMatchObject(ALWAYS)
  })

  it('of the relay never change', () => {
    expect(synthesize({ relay: 'on' }).template.Resources).toMatchObject({ ...ALWAYS, ...WITH_RELAY })
  })

  it('of the cache for blobs never change', () => {
    expect(synthesize({ pull: 'edge' }).template.Resources).toMatchObject({
      EdgeBlobCache638DC6DC: { Type: 'AWS::CloudFront::CachePolicy' },
    })
  })

  it('of the bucket are its name, which contains the account and the id of the stack', () => {
    const { Properties } = synthesize().template.Resources.StorageBlobs31FE9BCB ?? {}
    const stackId = { 'Fn::Select': [2, { 'Fn::Split': ['/', { Ref: 'AWS::StackId' }] }] }
    const first = { 'Fn::Select': [0, { 'Fn::Split': ['-', stackId] }] }
    expect(Properties?.BucketName).toEqual({
      'Fn::Join': ['', ['longshore-', { Ref: 'AWS::AccountId' }, '-', first]],
    })
  })
})
