import { Aws } from 'aws-cdk-lib'
import { CfnApi, CfnIntegration, CfnRoute, CfnStage } from 'aws-cdk-lib/aws-apigatewayv2'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { suppress } from './nag-suppressions.ts'

interface ApiProps {
  readonly name: string
  readonly function: IFunction
  readonly requestsPerSecond: number
  readonly log: ILogGroup
}

/**
 * The access log format: one line for each request, without headers and query, which contain credentials and
 * signatures.
 */
const LINE = JSON.stringify({
  time: '$context.requestTime',
  request: '$context.requestId',
  method: '$context.httpMethod',
  path: '$context.path',
  status: '$context.status',
  bytes: '$context.responseLength',
  milliseconds: '$context.responseLatency',
  address: '$context.identity.sourceIp',
  error: '$context.integrationErrorMessage',
})

/**
 * API Gateway's HTTP API, which costs nothing while idle and passes the challenge of a 401 response unchanged. It has
 * one route and the default stage, because a stage called `v2` would remove this part of the path. It has no CORS
 * settings and no authorizer: their responses are not OCI error documents.
 *
 * Its own address is public, because CloudFront reaches it there. The function serves only requests with the edge
 * header.
 */
export class Api extends Construct {
  /** Host name, without a scheme. */
  readonly host: string

  constructor(scope: Construct, id: string, props: ApiProps) {
    super(scope, id)
    const api = new CfnApi(this, 'Api', {
      name: props.name,
      protocolType: 'HTTP',
      description: 'Longshore: the registry API behind CloudFront',
    })
    const integration = new CfnIntegration(this, 'Function', {
      apiId: api.ref,
      integrationType: 'AWS_PROXY',
      integrationUri: props.function.functionArn,
      payloadFormatVersion: '2.0',
      timeoutInMillis: 30_000,
    })
    const route = new CfnRoute(this, 'Route', {
      apiId: api.ref,
      routeKey: '$default',
      target: `integrations/${integration.ref}`,
    })
    suppress(
      route,
      'AwsSolutions-APIG4',
      "The registry authorizes each request itself: an authorizer's 401 response lacks the challenge that clients need to log in.",
    )
    const stage = new CfnStage(this, 'Stage', {
      apiId: api.ref,
      stageName: '$default',
      autoDeploy: true,
      accessLogSettings: { destinationArn: props.log.logGroupArn, format: LINE },
      defaultRouteSettings: {
        throttlingRateLimit: props.requestsPerSecond,
        throttlingBurstLimit: Math.min(2 * props.requestsPerSecond, 5000),
      },
    })
    stage.addResourceDependency(route)
    props.function.addPermission('Api', {
      principal: new ServicePrincipal('apigateway.amazonaws.com'),
      sourceArn: `arn:${Aws.PARTITION}:execute-api:${Aws.REGION}:${Aws.ACCOUNT_ID}:${api.ref}/*/$default`,
    })
    this.host = `${api.ref}.execute-api.${Aws.REGION}.${Aws.URL_SUFFIX}`
  }
}
