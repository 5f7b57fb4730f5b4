import { Aws, Duration } from 'aws-cdk-lib'
import {
  CacheCookieBehavior,
  CacheHeaderBehavior,
  CachePolicy,
  CacheQueryStringBehavior,
  CfnDistribution,
  Function as EdgeFunction,
  FunctionCode,
  FunctionRuntime,
  type KeyValueStore,
  OriginRequestPolicy,
  ResponseHeadersPolicy,
  S3OriginAccessControl,
  Signing,
} from 'aws-cdk-lib/aws-cloudfront'
import { Construct, type IDependable } from 'constructs'
import { edgeFunctionCode } from '../edge-function.ts'
import type { Settings } from '../settings.ts'
import { distributionReads, distributionWrites } from './bucket-policy.ts'
import { suppress } from './nag-suppressions.ts'
import type { Storage } from './storage.ts'

const EVERY_METHOD = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'POST', 'DELETE']

/** Origin response timeouts in seconds: the maximum of API Gateway, and the maximum of CloudFront. */
const API_TIMEOUT_SECONDS = 35
const MAX_TIMEOUT_SECONDS = 120

/**
 * The error codes that CloudFront caches for ten seconds by default, even with caching disabled. A client that requests a blob, pushes
 * it and requests it again would get a cached 404. CloudFront never caches 416.
 */
const CACHED_ERRORS = [400, 403, 404, 405, 414, 500, 501, 502, 503, 504]

interface EdgeProps {
  readonly settings: Settings
  readonly storage: Storage
  readonly store: KeyValueStore
  /** The items of the store, which the functions need from the beginning. */
  readonly storeItems: IDependable
  readonly apiHost: string
  /** The edge header's value, as a reference that is resolved on deployment. */
  readonly secretHeader: string
  readonly relay: { readonly host: string; readonly vpcOriginId: string } | undefined
}

/**
 * The CloudFront distribution: the registry's one domain. Two functions route each request: large bodies directly to the bucket or to
 * the relay, everything else to the API. This uses the CloudFormation (L1) construct, because the functions select origins that no
 * cache behaviour names, which the CDK's own construct cannot express.
 */
export class Edge extends Construct {
  readonly distribution: CfnDistribution

  constructor(scope: Construct, id: string, props: EdgeProps) {
    super(scope, id)
    const { settings, storage } = props
    // CloudFront's names are unique in the whole account, across regions.
    const nameOf = (part: string) => `${settings.name}-${part}-${Aws.REGION}`
    const functions = functionsOf(this, props, nameOf)
    const toClients = { compress: false, viewerProtocolPolicy: 'https-only', functionAssociations: functions }
    const headers = OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER.originRequestPolicyId

    this.distribution = new CfnDistribution(this, 'Distribution', {
      distributionConfig: {
        enabled: true,
        comment: `${settings.name}: container registry`,
        httpVersion: 'http2and3',
        ipv6Enabled: true,
        priceClass: settings.priceClass === 'all' ? 'PriceClass_All' : `PriceClass_${settings.priceClass}`,
        origins: [apiOrigin(props), bucketOrigin(this, storage, nameOf('bucket')), ...relayOrigins(props)],
        defaultCacheBehavior: {
          ...toClients,
          targetOriginId: 'api',
          allowedMethods: EVERY_METHOD,
          // The managed policy, not one of our own with TTLs of 0: only with it, CloudFront does not collapse concurrent requests.
          cachePolicyId: CachePolicy.CACHING_DISABLED.cachePolicyId,
          originRequestPolicyId: headers,
        },
        ...(settings.pull === 'edge' && {
          cacheBehaviors: [
            {
              ...toClients,
              pathPattern: '/pull/*',
              targetOriginId: 'bucket',
              allowedMethods: ['GET', 'HEAD', ...(settings.corsOrigins.length > 0 ? ['OPTIONS'] : [])],
              cachedMethods: ['GET', 'HEAD'],
              ...corsBehavior(this, nameOf('cors'), settings),
              cachePolicyId: blobCache(this, nameOf('blobs')).cachePolicyId,
            },
          ],
        }),
        customErrorResponses: CACHED_ERRORS.map(errorCode => ({ errorCode, errorCachingMinTtl: 0 })),
        ...(settings.domain && settings.certificate
          ? {
              aliases: [settings.domain],
              viewerCertificate: {
                acmCertificateArn: settings.certificate,
                minimumProtocolVersion: 'TLSv1.2_2021',
                sslSupportMethod: 'sni-only',
              },
            }
          : { viewerCertificate: { cloudFrontDefaultCertificate: true } }),
        ...(settings.webAcl && { webAclId: settings.webAcl }),
      },
    })
    distributionWrites(storage, this.distribution)
    if (settings.pull === 'edge') distributionReads(storage, this.distribution)
    suppressFindings(this.distribution, settings)
  }
}

function functionsOf(
  scope: Construct,
  { store: keyValueStore, storeItems }: EdgeProps,
  nameOf: (part: string) => string,
): CfnDistribution.FunctionAssociationProperty[] {
  return (['viewer-request', 'viewer-response'] as const).map(eventType => {
    const edgeFunction = new EdgeFunction(scope, eventType, {
      code: FunctionCode.fromInline(edgeFunctionCode(eventType)),
      functionName: nameOf(eventType),
      runtime: FunctionRuntime.JS_2_0,
      ...(eventType === 'viewer-request' && { keyValueStore }),
    })
    edgeFunction.node.addDependency(storeItems)
    return { eventType, functionArn: edgeFunction.functionArn }
  })
}

function apiOrigin({ apiHost, secretHeader }: EdgeProps): CfnDistribution.OriginProperty {
  return {
    id: 'api',
    domainName: apiHost,
    originCustomHeaders: [{ headerName: 'x-longshore-edge', headerValue: secretHeader }],
    customOriginConfig: {
      originProtocolPolicy: 'https-only',
      originSslProtocols: ['TLSv1.2'],
      originReadTimeout: API_TIMEOUT_SECONDS,
      originKeepaliveTimeout: 60,
    },
  }
}

/** CloudFront signs each request to the bucket and drops the client's Authorization header. */
function bucketOrigin(
  scope: Construct,
  { bucket }: Storage,
  originAccessControlName: string,
): CfnDistribution.OriginProperty {
  const control = new S3OriginAccessControl(scope, 'Access', {
    originAccessControlName,
    signing: Signing.SIGV4_ALWAYS,
  })
  return {
    id: 'bucket',
    domainName: bucket.bucketRegionalDomainName,
    originAccessControlId: control.originAccessControlId,
    s3OriginConfig: { originAccessIdentity: '', originReadTimeout: MAX_TIMEOUT_SECONDS },
  }
}

function relayOrigins({ relay, secretHeader }: EdgeProps): CfnDistribution.OriginProperty[] {
  if (!relay) return []
  const { host, vpcOriginId } = relay
  return [
    {
      id: 'relay',
      domainName: host,
      originCustomHeaders: [{ headerName: 'x-longshore-edge', headerValue: secretHeader }],
      vpcOriginConfig: { vpcOriginId, originReadTimeout: MAX_TIMEOUT_SECONDS, originKeepaliveTimeout: 60 },
    },
  ]
}

/** Objects never change. The cache key is the path alone, from which the edge function has removed the signature. */
function blobCache(scope: Construct, cachePolicyName: string): CachePolicy {
  return new CachePolicy(scope, 'BlobCache', {
    cachePolicyName,
    comment: 'Blobs of a container registry: they never change',
    minTtl: Duration.seconds(0),
    defaultTtl: Duration.days(30),
    maxTtl: Duration.days(365),
    cookieBehavior: CacheCookieBehavior.none(),
    headerBehavior: CacheHeaderBehavior.none(),
    queryStringBehavior: CacheQueryStringBehavior.none(),
    enableAcceptEncodingBrotli: false,
    enableAcceptEncodingGzip: false,
  })
}

/** Adds CORS headers to blobs from the bucket. The API answers the preflight requests for them. */
function corsBehavior(
  scope: Construct,
  responseHeadersPolicyName: string,
  { corsOrigins }: Settings,
): Partial<CfnDistribution.CacheBehaviorProperty> {
  if (corsOrigins.length === 0) return {}
  const policy = new ResponseHeadersPolicy(scope, 'Cors', {
    responseHeadersPolicyName,
    comment: 'Web pages on other sites that may read blobs',
    corsBehavior: {
      accessControlAllowOrigins: [...corsOrigins],
      accessControlAllowCredentials: true,
      accessControlAllowMethods: ['GET', 'HEAD', 'OPTIONS'],
      accessControlAllowHeaders: ['Accept', 'Authorization', 'Cache-Control', 'If-None-Match', 'Range'],
      accessControlExposeHeaders: ['Accept-Ranges', 'Content-Range', 'Docker-Content-Digest', 'ETag'],
      accessControlMaxAge: Duration.hours(2),
      originOverride: true,
    },
  })
  return {
    // Origin and Access-Control-Request-*, for the API. The edge function removes them from requests to the bucket.
    originRequestPolicyId: OriginRequestPolicy.CORS_S3_ORIGIN.originRequestPolicyId,
    responseHeadersPolicyId: policy.responseHeadersPolicyId,
  }
}

function suppressFindings(distribution: CfnDistribution, { webAcl, domain }: Settings): void {
  const open =
    'Clients of a registry are machines in any country, and the registry authorizes each request itself.'
  suppress(distribution, 'AwsSolutions-CFR1', open)
  if (!webAcl)
    suppress(
      distribution,
      'AwsSolutions-CFR2',
      'A web ACL is optional (setting webAcl), because it costs while idle. API Gateway throttles requests in any case.',
    )
  suppress(
    distribution,
    'AwsSolutions-CFR3',
    'CloudFront access logs contain the signatures of upload and pull URLs. API Gateway logs the requests to the API without them.',
  )
  if (!domain)
    suppress(
      distribution,
      'AwsSolutions-CFR4',
      "CloudFront's own domain does not allow a choice of TLS versions. With the setting domain, the minimum is TLS 1.2.",
    )
}
