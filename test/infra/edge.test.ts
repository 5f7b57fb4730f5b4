import { describe, expect, it } from 'vitest'
import { edgeFunctionCode } from '../../infra/edge-function.ts'
import { EVERYTHING, flat, type Loose, synthesize } from './synthesize.ts'

const DOMAIN = { domain: 'registry.example.com', certificate: EVERYTHING.certificate }
const EVERY_METHOD = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'POST', 'DELETE']

const edgeOf = (settings = {}): Loose =>
  synthesize(settings).one('AWS::CloudFront::Distribution').DistributionConfig
const originOf = (id: string, settings = {}): Loose =>
  edgeOf(settings).Origins.find((origin: Loose) => origin.Id === id)

describe('The distribution', () => {
  it('forwards requests to the API unchanged by default, and caches no response', () => {
    const { DefaultCacheBehavior } = edgeOf()
    expect(DefaultCacheBehavior).toMatchObject({
      TargetOriginId: 'api',
      AllowedMethods: EVERY_METHOD,
      Compress: false,
      ViewerProtocolPolicy: 'https-only',
      // The managed policies "CachingDisabled" and "AllViewerExceptHostHeader".
      CachePolicyId: '4135ea2d-6df8-44a3-9df3-4b5a84be39ad',
      OriginRequestPolicyId: 'b689b0a8-53d0-40ab-baf2-68738e2966ac',
    })
    expect(DefaultCacheBehavior.FunctionAssociations.map(({ EventType }: Loose) => EventType)).toEqual([
      'viewer-request',
      'viewer-response',
    ])
  })

  it.each(['s3', 'edge'])('caches no error response and replaces none, with pull=%s', pull => {
    // Every status that CloudFront caches for ten seconds by default ("HTTP 4xx and 5xx status codes that CloudFront caches").
    const kept = [400, 403, 404, 405, 414, 500, 501, 502, 503, 504]
    expect(edgeOf({ pull }).CustomErrorResponses).toEqual(
      kept.map(ErrorCode => ({ ErrorCode, ErrorCachingMinTTL: 0 })),
    )
  })

  it('supports HTTP/2, HTTP/3 and IPv6, and has the price class of the setting', () => {
    expect(edgeOf()).toMatchObject({
      HttpVersion: 'http2and3',
      IPV6Enabled: true,
      PriceClass: 'PriceClass_All',
    })
    expect(edgeOf({ priceClass: '100' }).PriceClass).toBe('PriceClass_100')
  })

  it('connects to the API by TLS, with a timeout above that of API Gateway', () => {
    const { CustomOriginConfig, DomainName } = originOf('api')
    expect(flat(DomainName)).toMatch(/^<Api\w+>\.execute-api\.<AWS::Region>\.<AWS::URLSuffix>$/)
    expect(CustomOriginConfig).toMatchObject({
      OriginProtocolPolicy: 'https-only',
      OriginSSLProtocols: ['TLSv1.2'],
      OriginReadTimeout: 35,
    })
  })

  it('signs every request to the bucket, also one with an Authorization header', () => {
    const control = synthesize().one('AWS::CloudFront::OriginAccessControl').OriginAccessControlConfig
    expect(control).toMatchObject({ OriginAccessControlOriginType: 's3', SigningBehavior: 'always' })
    expect(originOf('bucket').S3OriginConfig).toEqual({ OriginAccessIdentity: '', OriginReadTimeout: 120 })
    expect(originOf('bucket').OriginAccessControlId).toEqual({
      'Fn::GetAtt': [expect.stringMatching(/^EdgeAccess/), 'Id'],
    })
  })

  it('runs the functions that the tests run, on runtime 2.0, and gives the first one the keys', () => {
    const all = synthesize().all('AWS::CloudFront::Function')
    expect(all.map(({ Properties = {} }) => Properties.FunctionCode)).toEqual([
      edgeFunctionCode('viewer-request'),
      edgeFunctionCode('viewer-response'),
    ])
    const configurations: Loose[] = all.map(({ Properties = {} }) => Properties.FunctionConfig as Loose)
    expect(configurations.map(({ Runtime }) => Runtime)).toEqual(['cloudfront-js-2.0', 'cloudfront-js-2.0'])
    expect(
      configurations.map(({ KeyValueStoreAssociations = [] }) => KeyValueStoreAssociations.length),
    ).toEqual([1, 0])
  })

  it('gets its functions after the items of their store, which the functions need', () => {
    const { template } = synthesize({ auth: 'off' })
    const [[id, secret] = []] = Object.entries(template.Resources).filter(
      ([, { Type }]) => Type === 'Custom::EdgeSecret',
    )
    expect(secret?.Properties).toMatchObject({ auth: 'off' })
    for (const { DependsOn } of synthesize().all('AWS::CloudFront::Function'))
      expect([DependsOn].flat()).toContain(id)
  })

  it('has names of its own in each region, since they hold for the account', () => {
    const named = ['Function', 'KeyValueStore', 'OriginAccessControl', 'CachePolicy']
    const made = synthesize({ pull: 'edge', name: 'images' })
    const names = named
      .flatMap(type => made.all(`AWS::CloudFront::${type}`))
      .map(({ Properties = {} }) => ({ ...Properties, ...(Object.values(Properties)[0] as object) }) as Loose)
      .map(({ Name }) => flat(Name))
    expect(names.sort()).toEqual([
      'images-<AWS::Region>',
      'images-blobs-<AWS::Region>',
      'images-bucket-<AWS::Region>',
      'images-viewer-request-<AWS::Region>',
      'images-viewer-response-<AWS::Region>',
    ])
  })

  it('writes no access log, which would contain the signatures of signed URLs', () => {
    expect(edgeOf()).not.toHaveProperty('Logging')
  })
})

describe('The cache behavior of pulls through the edge', () => {
  it('does not exist with pull=s3', () => {
    expect(edgeOf()).not.toHaveProperty('CacheBehaviors')
  })

  it('selects the bucket, and caches by the path alone', () => {
    const [behavior, ...others] = edgeOf({ pull: 'edge' }).CacheBehaviors
    expect(others).toEqual([])
    expect(behavior).toMatchObject({
      PathPattern: '/pull/*',
      TargetOriginId: 'bucket',
      AllowedMethods: ['GET', 'HEAD'],
      Compress: false,
      ViewerProtocolPolicy: 'https-only',
      FunctionAssociations: edgeOf({ pull: 'edge' }).DefaultCacheBehavior.FunctionAssociations,
    })
    expect(behavior).not.toHaveProperty('OriginRequestPolicyId')
    const { CachePolicyConfig } = synthesize({ pull: 'edge' }).one('AWS::CloudFront::CachePolicy')
    expect(CachePolicyConfig.ParametersInCacheKeyAndForwardedToOrigin).toEqual({
      CookiesConfig: { CookieBehavior: 'none' },
      HeadersConfig: { HeaderBehavior: 'none' },
      QueryStringsConfig: { QueryStringBehavior: 'none' },
      EnableAcceptEncodingBrotli: false,
      EnableAcceptEncodingGzip: false,
    })
  })
})

describe('Pages of an origin', () => {
  const corsOrigins = 'https://ui.example.com,http://localhost:8080'

  it('that is not listed cannot read responses of the edge and the bucket', () => {
    const made = synthesize({ pull: 'edge' })
    expect(made.all('AWS::CloudFront::ResponseHeadersPolicy')).toEqual([])
    expect(synthesize().one('AWS::S3::Bucket')).not.toHaveProperty('CorsConfiguration')
  })

  it('that is listed can read blobs through the edge', () => {
    const settings = { pull: 'edge', corsOrigins }
    const [behavior] = edgeOf(settings).CacheBehaviors
    expect(behavior).toMatchObject({
      AllowedMethods: ['GET', 'HEAD', 'OPTIONS'],
      // The managed policy "CORS-S3Origin".
      OriginRequestPolicyId: '88a5eaf4-2fd4-4709-b370-b4c650ea3fcf',
      ResponseHeadersPolicyId: { Ref: expect.stringMatching(/^EdgeCors/) },
    })
    const policy = synthesize(settings).one('AWS::CloudFront::ResponseHeadersPolicy')
    expect(policy.ResponseHeadersPolicyConfig.CorsConfig).toMatchObject({
      AccessControlAllowOrigins: { Items: corsOrigins.split(',') },
      AccessControlAllowCredentials: true,
    })
    expect(synthesize(settings).one('AWS::S3::Bucket')).not.toHaveProperty('CorsConfiguration')
  })

  it('that is listed can read blobs by presigned URLs, and cannot write', () => {
    const [rule, ...others] = synthesize({ corsOrigins }).one('AWS::S3::Bucket').CorsConfiguration.CorsRules
    expect(others).toEqual([])
    expect(rule).toMatchObject({ AllowedMethods: ['GET', 'HEAD'], AllowedOrigins: ['*'] })
  })

  it('that is listed is in the environment of the API and the relay', () => {
    const functions = synthesize({ corsOrigins }).all('AWS::Lambda::Function')
    const environments = functions.map(({ Properties = {} }) => (Properties as Loose).Environment?.Variables)
    expect(environments.map(variables => variables?.LONGSHORE_CORS_ORIGINS)).toContain(corsOrigins)
  })
})

describe('A domain', () => {
  it('is served with its certificate, and requires TLS 1.2', () => {
    expect(edgeOf(DOMAIN)).toMatchObject({
      Aliases: ['registry.example.com'],
      ViewerCertificate: {
        AcmCertificateArn: DOMAIN.certificate,
        MinimumProtocolVersion: 'TLSv1.2_2021',
        SslSupportMethod: 'sni-only',
      },
    })
  })

  it('has records for IPv4 and IPv6 only if its zone is set', () => {
    expect(synthesize(DOMAIN).all('AWS::Route53::RecordSet')).toEqual([])
    const records = synthesize({ ...DOMAIN, zone: EVERYTHING.zone }).all('AWS::Route53::RecordSet')
    expect(
      records.map(({ Properties = {} }) => [Properties.Type, Properties.Name, Properties.HostedZoneId]),
    ).toEqual([
      ['A', 'registry.example.com', EVERYTHING.zone],
      ['AAAA', 'registry.example.com', EVERYTHING.zone],
    ])
  })

  it('is the origin of the registry in the outputs and in the environment', () => {
    const { Outputs = {} } = synthesize(DOMAIN).template
    expect(Outputs.Registry?.Value).toBe('https://registry.example.com')
    expect(Outputs.Login?.Value).toBe('docker login registry.example.com')
    const [api] = synthesize(DOMAIN)
      .all('AWS::Lambda::Function')
      .map(({ Properties = {} }) => Properties.Environment as Loose | undefined)
      .filter(environment => environment !== undefined)
    expect(api?.Variables.LONGSHORE_ORIGIN).toBe('https://registry.example.com')
  })
})

describe('Without a domain', () => {
  it('the outputs contain the address of the edge and the command that logs in', () => {
    const { Outputs = {} } = synthesize().template
    expect(flat(Outputs.Registry?.Value)).toMatch(/^https:\/\/<EdgeDistribution\w+\.DomainName>$/)
    expect(flat(Outputs.Login?.Value)).toMatch(/^docker login <EdgeDistribution\w+\.DomainName>$/)
    expect(Object.keys(Outputs)).toEqual(
      expect.arrayContaining(['TableName', 'BucketName', 'SecretName', 'LogGroups']),
    )
    expect(flat(Outputs.ApiAddress?.Value)).toMatch(
      /^https:\/\/<Api\w+>\.execute-api\.<AWS::Region>\.<AWS::URLSuffix>$/,
    )
  })
})

describe('The API', () => {
  const made = synthesize()

  it('has one route and one stage, which pass every path unchanged', () => {
    expect(made.one('AWS::ApiGatewayV2::Route').RouteKey).toBe('$default')
    expect(made.one('AWS::ApiGatewayV2::Stage')).toMatchObject({ StageName: '$default', AutoDeploy: true })
  })

  it('has no responses of its own: neither CORS nor an authorizer', () => {
    expect(made.one('AWS::ApiGatewayV2::Api')).toEqual(
      expect.not.objectContaining({ CorsConfiguration: expect.anything() }),
    )
    expect(made.all('AWS::ApiGatewayV2::Authorizer')).toEqual([])
  })

  it('calls the function with payload format 2.0', () => {
    expect(made.one('AWS::ApiGatewayV2::Integration')).toMatchObject({
      IntegrationType: 'AWS_PROXY',
      PayloadFormatVersion: '2.0',
      IntegrationUri: { 'Fn::GetAtt': [expect.stringMatching(/^FunctionsApi/), 'Arn'] },
    })
  })

  it('throttles requests above the limit of the setting', () => {
    const settings = synthesize({ requestsPerSecond: 50 }).one(
      'AWS::ApiGatewayV2::Stage',
    ).DefaultRouteSettings
    expect(settings).toEqual({ ThrottlingRateLimit: 50, ThrottlingBurstLimit: 100 })
  })

  it('logs each request without its headers and its query', () => {
    const { Format } = made.one('AWS::ApiGatewayV2::Stage').AccessLogSettings
    const fields = Object.values(JSON.parse(Format))
    expect(fields).toContain('$context.path')
    expect(fields.filter(field => /header|query|authorizer|overhead/i.test(String(field)))).toEqual([])
  })
})

it('the stack tags every resource that supports tags', () => {
  const { template } = synthesize({ tags: 'owner=me' })
  const { Properties } =
    Object.values(template.Resources).find(({ Type }) => Type === 'AWS::S3::Bucket') ?? {}
  expect(Properties?.Tags).toEqual([{ Key: 'owner', Value: 'me' }])
})
