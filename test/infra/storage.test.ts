import { describe, expect, it } from 'vitest'
import { flat, synthesize } from './synthesize.ts'

const BUCKET = 'AWS::S3::Bucket'
const TABLE = 'AWS::DynamoDB::GlobalTable'
const FUNCTION = 'AWS::Lambda::Function'

describe('The bucket', () => {
  const bucket = synthesize().one(BUCKET)

  it('is private and encrypted, without ACLs', () => {
    expect(bucket.PublicAccessBlockConfiguration).toEqual({
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    })
    expect(bucket.OwnershipControls).toEqual({ Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] })
    expect(flat(bucket.BucketEncryption)).toContain('"SSEAlgorithm":"AES256"')
    expect(bucket).not.toHaveProperty('AccessControl')
  })

  it('has a unique name without dots, of at most 63 characters', () => {
    const name = 'n'.repeat(28)
    const made = flat(synthesize({ name }).one(BUCKET).BucketName)
    expect(made).not.toContain('.')
    const id =
      'Fn::Select":[0,{"Fn::Split":["-",{"Fn::Select":[2,{"Fn::Split":["/",{"Ref":"AWS::StackId"}]}]}]}]'
    expect(made).toBe(`${name}-<AWS::AccountId>-{"${id}}`)
    expect(`${name}-123456789012-0a1b2c3d`.length).toBeLessThanOrEqual(63)
  })

  it('deletes leftovers of uploads after a week', () => {
    expect(bucket.LifecycleConfiguration.Rules).toEqual([
      expect.objectContaining({
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
        Status: 'Enabled',
      }),
      expect.objectContaining({ ExpirationInDays: 7, Prefix: 'tails/', Status: 'Enabled' }),
    ])
  })

  it('keeps no versions', () => {
    expect(bucket).not.toHaveProperty('VersioningConfiguration')
  })

  it('invokes only the function for S3 events, for direct uploads, after it has the permission', () => {
    const { template } = synthesize()
    expect(bucket.NotificationConfiguration).toEqual({
      LambdaConfigurations: [
        {
          Event: 's3:ObjectCreated:Put',
          Filter: { S3Key: { Rules: [{ Name: 'prefix', Value: 'direct/' }] } },
          Function: { 'Fn::GetAtt': [expect.stringMatching(/^FunctionsClaim/), 'Arn'] },
        },
      ],
    })
    const [[, resource] = []] = Object.entries(template.Resources).filter(([, { Type }]) => Type === BUCKET)
    const [permission] = resource?.DependsOn ?? []
    expect(template.Resources[permission ?? '']?.Properties).toMatchObject({
      Principal: 's3.amazonaws.com',
      SourceAccount: { Ref: 'AWS::AccountId' },
      SourceArn: { 'Fn::Join': ['', expect.arrayContaining([':s3:::longshore-'])] },
    })
  })
})

describe('The table', () => {
  it('has the keys that lambda/store/dynamodb/table.ts reads by', () => {
    const { KeySchema, AttributeDefinitions } = synthesize().one(TABLE)
    expect(KeySchema).toEqual([
      { AttributeName: 'partition', KeyType: 'HASH' },
      { AttributeName: 'sort', KeyType: 'RANGE' },
    ])
    expect(AttributeDefinitions.map(({ AttributeType }: { AttributeType: string }) => AttributeType)).toEqual(
      ['S', 'S'],
    )
  })

  it('is billed on demand, with point-in-time recovery and deletion protection', () => {
    const { BillingMode, Replicas } = synthesize().one(TABLE)
    expect(BillingMode).toBe('PAY_PER_REQUEST')
    expect(Replicas).toEqual([
      {
        Region: { Ref: 'AWS::Region' },
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      },
    ])
  })
})

describe('Retention', () => {
  it.each([BUCKET, TABLE])('keeps %s when the stack is deleted, unless retain=off', type => {
    const policies = (retain: string) =>
      synthesize({ retain })
        .all(type)
        .map(({ DeletionPolicy, UpdateReplacePolicy }) => [DeletionPolicy, UpdateReplacePolicy])
    expect(policies('on')).toEqual([['Retain', 'Retain']])
    expect(policies('off')).toEqual([['Delete', 'Delete']])
  })

  it('keeps the secret in the same way', () => {
    expect(synthesize({ retain: 'on' }).one('Custom::EdgeSecret').retain).toBe('true')
    expect(synthesize({ retain: 'off' }).one('Custom::EdgeSecret').retain).toBe('false')
  })

  it('has no deletion protection with retain=off', () => {
    const { Replicas } = synthesize({ retain: 'off' }).one(TABLE)
    expect(Replicas[0].DeletionProtectionEnabled).toBe(false)
  })
})

describe('The functions', () => {
  const functionOf = (part: string, settings = {}) =>
    synthesize(settings)
      .all(FUNCTION)
      .map(({ Properties = {} }) => Properties)
      .find(({ Role }) => flat(Role).startsWith(`<${part}Role`)) ?? {}

  it('run on Node 24 and arm64, with their own log', () => {
    const all = synthesize().all(FUNCTION)
    expect(all).toHaveLength(5)
    for (const { Properties } of all)
      expect(Properties).toMatchObject({
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
        Handler: 'index.handler',
        LoggingConfig: { LogGroup: { Ref: expect.stringMatching(/^Logs/) } },
      })
  })

  it.each([
    ['FunctionsApi', 29, 1024],
    ['FunctionsClaim', 900, 1769],
    ['FunctionsCollector', 900, 512],
    ['EdgeSecretMaker', 60, 256],
    ['FirstAdministratorMaker', 60, 512],
  ])('%s has %i seconds and %i MiB', (part, Timeout, MemorySize) => {
    expect(functionOf(part)).toMatchObject({ Timeout, MemorySize })
  })

  it('get the names of all resources in their environment', () => {
    const of = (settings = {}) => functionOf('FunctionsApi', { relay: 'off', ...settings }).Environment
    expect(of()).toEqual({
      Variables: {
        LONGSHORE_TABLE: { Ref: expect.stringMatching(/^StorageTable/) },
        LONGSHORE_BUCKET: synthesize().one(BUCKET).BucketName,
        LONGSHORE_PULL: 's3',
        LONGSHORE_AUTH: 'on',
        LONGSHORE_AWS_ACCOUNTS: { Ref: 'AWS::AccountId' },
        LONGSHORE_SECRET: '/longshore/edge-secret',
        LONGSHORE_GRACE_HOURS: '24',
      },
    })
    const issuers = [{ name: 'ci', issuer: 'https://ci.example', claims: { repository: 'acme/*' } }]
    const said = { pull: 'edge', graceHours: 48, name: 'images', awsAccounts: '123456789012', issuers }
    expect(of(said)).toMatchObject({
      Variables: {
        LONGSHORE_PULL: 'edge',
        LONGSHORE_SECRET: '/images/edge-secret',
        LONGSHORE_GRACE_HOURS: '48',
        LONGSHORE_AWS_ACCOUNTS: '123456789012',
        LONGSHORE_ISSUERS: JSON.stringify(issuers),
      },
    })
    expect(of({ awsAccounts: 'off' })).not.toHaveProperty('Variables.LONGSHORE_AWS_ACCOUNTS')
  })

  it('of the collector runs every hour, with reserved concurrency only if set', () => {
    const { ScheduleExpression, Targets } = synthesize().one('AWS::Events::Rule')
    expect(ScheduleExpression).toBe('rate(1 hour)')
    expect(flat(Targets[0].Arn)).toMatch(/^<FunctionsCollector/)
    expect(functionOf('FunctionsCollector')).not.toHaveProperty('ReservedConcurrentExecutions')
    const reserved = functionOf('FunctionsCollector', { reserveCollector: 'on' })
    expect(reserved).toHaveProperty('ReservedConcurrentExecutions', 1)
  })

  it('of direct uploads is retried when it fails', () => {
    expect(synthesize().one('AWS::Lambda::EventInvokeConfig')).toMatchObject({
      FunctionName: { Ref: expect.stringMatching(/^FunctionsClaim/) },
      MaximumRetryAttempts: 2,
      MaximumEventAgeInSeconds: 21_600,
    })
  })

  it('keep logs for the time of the setting', () => {
    const groups = synthesize({ logRetentionDays: 7 }).all('AWS::Logs::LogGroup')
    expect(
      groups.map(({ Properties = {} }) => [Properties.LogGroupName, Properties.RetentionInDays]),
    ).toEqual(
      ['edge-secret', 'relay', 'network', 'api', 'claim', 'collector', 'requests', 'first-administrator'].map(
        part => [`/longshore/${part}`, 7],
      ),
    )
  })
})
