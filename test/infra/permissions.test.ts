import { describe, expect, it } from 'vitest'
import { keys } from '../../lambda/store/keys.ts'
import { COMBINATIONS, flat, type Synthesized, synthesize } from './synthesize.ts'

interface Statement {
  readonly Effect: 'Allow' | 'Deny'
  readonly Action: string | string[]
  readonly Resource: unknown
  readonly Principal?: unknown
  readonly Condition?: Record<string, Record<string, unknown>>
}

/** The allowed wildcards, and why they are necessary. */
const WILDCARDS: [resource: RegExp, why: string][] = [
  [/^arn:<AWS::Partition>:s3:::[^*]+\/(blobs|tails|direct)\/\*$/, 'objects of one folder have random names'],
]

/** Actions that AWS does not restrict to a resource. */
const ON_EVERYTHING = ['ecr:GetAuthorizationToken', 'ec2:DescribeInstances']

/** The permissions of each role, with any settings. Each role also has those on its own log. */
const TABLE = [
  'BatchGetItem',
  'ConditionCheckItem',
  'DeleteItem',
  'GetItem',
  'PutItem',
  'Query',
  'UpdateItem',
].map(action => `dynamodb:${action} table`)
const LISTING = ['s3:ListBucket bucket', 's3:ListBucketMultipartUploads bucket']
const SERVING = [
  ...TABLE,
  ...LISTING,
  's3:AbortMultipartUpload blobs',
  's3:DeleteObject blobs',
  's3:DeleteObject direct',
  's3:DeleteObject tails',
  's3:GetObject blobs',
  's3:GetObject direct',
  's3:GetObject tails',
  's3:ListMultipartUploadParts blobs',
  's3:PutObject blobs',
  's3:PutObject tails',
  'ssm:GetParameter secret',
]
/** What the API and the collector may do to the relay's instance, if there is one. */
const API_OF_INSTANCE = ['ec2:StartInstances instance']
const COLLECTOR_OF_INSTANCE = ['ec2:DescribeInstances everything', 'ec2:StopInstances instance']
const ALLOWED: Record<string, string[]> = {
  FunctionsApiRole: SERVING,
  RelayTaskTaskRole: SERVING,
  RelayInstanceRole: [...SERVING, 's3:GetObject program', 'ssm:GetParameter configuration'],
  FunctionsClaimRole: [...TABLE, ...LISTING, 's3:GetObject direct'],
  FunctionsCollectorRole: [
    ...TABLE,
    ...LISTING,
    's3:AbortMultipartUpload blobs',
    's3:DeleteObject blobs',
    's3:DeleteObject direct',
    's3:DeleteObject tails',
    's3:GetObject blobs',
    's3:GetObject direct',
    's3:ListMultipartUploadParts blobs',
  ],
  EdgeSecretMakerRole: [
    'cloudfront-keyvaluestore:DescribeKeyValueStore store',
    'cloudfront-keyvaluestore:ListKeys store',
    'cloudfront-keyvaluestore:UpdateKeys store',
    'ssm:DeleteParameter secret',
    'ssm:GetParameter secret',
    'ssm:PutParameter secret',
  ],
  FirstAdministratorMakerRole: [
    'dynamodb:PutItem table',
    'dynamodb:Query table',
    'secretsmanager:GetSecretValue password',
  ],
  RelayTaskExecutionRole: [
    'ecr:BatchCheckLayerAvailability image',
    'ecr:BatchGetImage image',
    'ecr:GetAuthorizationToken everything',
    'ecr:GetDownloadUrlForLayer image',
  ],
  RelayNetworkVpcRefusedIAMRole: [],
  RelayInstanceNetworkRefusedIAMRole: [],
}

describe.each(COMBINATIONS)('With %s', (_, settings) => {
  const made = synthesize(settings)

  it('each role has exactly the permissions that it needs', () => {
    const expected = allowedWith(made)
    const found = Object.fromEntries(Object.keys(expected).map(role => [role, allowedTo(made, role)]))
    expect(found).toEqual(expected)
    expect(made.all('AWS::IAM::Role')).toHaveLength(Object.keys(expected).length)
  })

  it('functions that serve no requests are denied accounts, tokens and the policy', () => {
    const denied = made.all('AWS::IAM::Policy').flatMap(policy => {
      const [refused, ...more] = statements(policy).filter(({ Effect }) => Effect === 'Deny')
      expect(more).toEqual([])
      return refused ? [{ role: flat(policy.Properties?.Roles), ...refused }] : []
    })
    expect(denied.map(({ role }) => role)).toEqual([
      expect.stringMatching(/^<FunctionsClaimRole/),
      expect.stringMatching(/^<FunctionsCollectorRole/),
    ])
    for (const { Action, Resource, Condition } of denied) {
      expect(pairs([{ Effect: 'Deny', Action, Resource }])).toEqual(TABLE)
      expect(Condition).toEqual({
        'ForAnyValue:StringEquals': { 'dynamodb:LeadingKeys': ['accounts', 'policy', 'refresh', 'logins'] },
      })
    }
  })

  it('the function of the first administrator may only read and create accounts', () => {
    const given = made
      .all('AWS::IAM::Policy')
      .filter(({ Properties = {} }) => flat(Properties.Roles).startsWith('<FirstAdministratorMakerRole'))
      .flatMap(statements)
      .filter(({ Action }) => flat(Action).includes('dynamodb:'))
    for (const { Action, Condition } of given) {
      expect(Action).toEqual(['dynamodb:Query', 'dynamodb:PutItem'])
      expect(Condition).toEqual({
        'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [keys.account('admin').partition] },
      })
    }
    const isMade = made.all('Custom::FirstAdministrator').length > 0
    expect(given).toHaveLength(isMade ? 1 : 0)
  })

  it('each role may write to its own log only', () => {
    const logs = made
      .all('AWS::IAM::Policy')
      .map(policy => statements(policy).filter(({ Action }) => flat(Action).includes('logs:')))
      .map(found => found.flatMap(({ Resource }) => [Resource].flat().map(flat)))
    for (const own of logs.filter(own => own.length > 0))
      expect(own).toEqual([expect.stringMatching(/^<Logs\w+\.Arn>$/)])
  })

  it('no role has a managed or inline policy', () => {
    for (const { Properties = {} } of made.all('AWS::IAM::Role')) {
      expect(Properties).not.toHaveProperty('ManagedPolicyArns')
      expect(Properties).not.toHaveProperty('Policies')
    }
  })

  it('no permission has a wildcard without a reason', () => {
    const given = every(made).filter(({ Effect }) => Effect === 'Allow')
    const wild = given.flatMap(({ Action, Resource }) => {
      const actions = [Action].flat()
      if (actions.every(action => ON_EVERYTHING.includes(action)) && Resource === '*') return []
      const resources = [Resource].flat().map(flat)
      return [...actions, ...resources.filter(name => !WILDCARDS.some(([known]) => known.test(name)))].filter(
        name => name.includes('*'),
      )
    })
    expect(wild).toEqual([])
  })

  it('resource policies name services and resources of this stack only', () => {
    const resourcePolicies = made.all('AWS::S3::BucketPolicy').flatMap(statements)
    for (const { Principal, Condition } of resourcePolicies.filter(({ Effect }) => Effect === 'Allow')) {
      expect(flat(Principal)).toMatch(/^\{"Service":"(cloudfront|logging\.s3)\.amazonaws\.com"\}$/)
      const sources = Object.values(Condition ?? {}).map(test => flat(test['aws:SourceArn'] ?? ''))
      expect(sources.join('')).toMatch(/distribution\/<EdgeDistribution\w+>|<StorageBlobs\w+\.Arn>/)
    }
    const callers = made.all('AWS::Lambda::Permission').map(({ Properties = {} }) => {
      expect(Properties.Action).toBe('lambda:InvokeFunction')
      return `${Properties.Principal} ${flat(Properties.SourceArn)}`
    })
    expect(callers.sort()).toEqual([
      expect.stringMatching(
        /^apigateway.amazonaws.com arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<Api\w+>\/\*\/\$default$/,
      ),
      expect.stringMatching(/^events.amazonaws.com <FunctionsSchedule\w+\.Arn>$/),
      expect.stringMatching(/^s3.amazonaws.com arn:<AWS::Partition>:s3:::\w+-<AWS::AccountId>-\{/),
    ])
  })

  it('only services may assume roles', () => {
    for (const { Properties = {} } of made.all('AWS::IAM::Role')) {
      const { Statement } = Properties.AssumeRolePolicyDocument as { Statement: Statement[] }
      expect(Statement).toEqual([
        {
          Action: 'sts:AssumeRole',
          Effect: 'Allow',
          Principal: {
            Service: expect.stringMatching(/^(lambda|ec2|ecs-tasks|vpc-flow-logs)\.amazonaws\.com$/),
          },
        },
      ])
    }
  })
})

describe('The bucket', () => {
  it.each([
    ['s3', ['s3:PutObject direct']],
    ['edge', ['s3:GetObject blobs', 's3:GetObject direct', 's3:PutObject direct']],
  ])('allows the distribution what pull=%s needs', (pull, expected) => {
    const made = synthesize({ pull })
    const given = made.all('AWS::S3::BucketPolicy').flatMap(statements)
    expect(pairs(given.filter(({ Effect }) => Effect === 'Allow'))).toEqual(expected)
  })

  it('accepts only new objects from the distribution', () => {
    const given = synthesize().all('AWS::S3::BucketPolicy').flatMap(statements)
    const put = given.find(({ Action, Effect }) => Effect === 'Allow' && Action === 's3:PutObject')
    expect(put?.Condition).toMatchObject({
      Null: { 's3:if-none-match': 'false' },
      StringEquals: { 'aws:SourceArn': expect.anything() },
    })
  })

  it('is closed to everything but TLS 1.2', () => {
    const denied = synthesize().all('AWS::S3::BucketPolicy').flatMap(statements)
    const conditions = denied.filter(({ Effect }) => Effect === 'Deny').map(({ Condition }) => Condition)
    expect(conditions).toEqual([
      { Bool: { 'aws:SecureTransport': 'false' } },
      { NumericLessThan: { 's3:TlsVersion': 1.2 } },
    ])
  })
})

/** The permissions of each role that there should be, by the kind of relay. */
function allowedWith(made: Synthesized): Record<string, string[]> {
  const instance = made.all('AWS::EC2::Instance').length > 0
  const fargate = made.all('AWS::ECS::Service').length > 0
  const roles = Object.entries(ALLOWED).filter(([role]) => {
    if (role.startsWith('RelayInstance')) return instance
    return fargate || !role.startsWith('Relay')
  })
  const added: Record<string, string[]> = instance
    ? { FunctionsApiRole: API_OF_INSTANCE, FunctionsCollectorRole: COLLECTOR_OF_INSTANCE }
    : {}
  return Object.fromEntries(
    roles.map(([role, actions]) => [role, [...actions, ...(added[role] ?? [])].sort()]),
  )
}

function statements({ Properties = {} }: { Properties?: Record<string, unknown> }): Statement[] {
  return (Properties.PolicyDocument as { Statement: Statement[] }).Statement
}

function every(made: Synthesized): Statement[] {
  const holders = Object.values(made.template.Resources).filter(
    ({ Properties }) => Properties?.PolicyDocument,
  )
  return holders.flatMap(statements)
}

function allowedTo(made: Synthesized, role: string): string[] {
  const policies = made.all('AWS::IAM::Policy').filter(({ Properties = {} }) =>
    flat(Properties.Roles)
      .replace(/(?<=Network)[0-9a-f]{8}/, '')
      .startsWith(`<${role}`),
  )
  const given = policies.flatMap(statements).filter(({ Effect }) => Effect === 'Allow')
  return pairs(given).filter(pair => !pair.startsWith('logs:'))
}

/** Every action with the short name of its resource. */
function pairs(statements: Statement[]): string[] {
  return statements
    .flatMap(({ Action, Resource }) =>
      [Action].flat().flatMap(action => [Resource].flat().map(one => `${action} ${shortName(flat(one))}`)),
    )
    .sort()
}

function shortName(resource: string): string {
  if (/:s3:::.*cdk-.*-assets-/.test(resource)) return 'program'
  if (/:instance\/<RelayInstanceInstance\w+>$/.test(resource)) return 'instance'
  if (/:parameter\/[\w-]+\/relay$/.test(resource)) return 'configuration'
  const [, folder] = /:s3:::.+\/(\w+)\/\*$/.exec(resource) ?? []
  if (folder) return folder
  if (resource.includes(':s3:::')) return 'bucket'
  if (/^<StorageTable\w+\.Arn>$/.test(resource)) return 'table'
  if (/^<EdgeSecretStore\w+\.Arn>$/.test(resource)) return 'store'
  if (/^<FirstAdministratorPassword\w+>$/.test(resource)) return 'password'
  if (/:parameter\/[\w-]+\/edge-secret$/.test(resource)) return 'secret'
  if (/:repository\/cdk-/.test(resource)) return 'image'
  return resource === '*' ? 'everything' : resource
}
