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

/** One line for each request. No header and no query is in it, since those hold credentials and signatures. */
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
 * API Gateway's HTTP API: the one front door that costs nothing while idle and leaves a 401's challenge as it is. It has a single
 * route and the stage without a name, because a stage called `v2` would take that part of the path away. No CORS of its own and
 * no authorizer: either would answer in the registry's place, in words that no client of a registry knows.
 *
 * Its own address stays reachable, because CloudFront reaches it there; the function answers only what carries the
 * secret of the edge.
 */
export class Api extends Construct {
  /** Host name without https://. */
  readonly host: string

  constructor(scope: Construct, id: string, props: ApiProps) {
    super(scope, id)
    const api = new CfnApi(this, 'Api', {
      name: props.name,
      protocolType: 'HTTP',
      description: 'Longshore: what CloudFront does not answer itself',
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
      "The registry authorizes each request itself: an authorizer's refusal lacks the challenge with which clients begin to log in.",
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
