import { createHash } from 'node:crypto'
import { Aws, Stack } from 'aws-cdk-lib'
import { CfnVpcOrigin } from 'aws-cdk-lib/aws-cloudfront'
import type { Construct } from 'constructs'

/** The resource types that never get the tags of the settings. The tags of a stack are those of all its resources. */
export const UNTAGGED = ['AWS::CloudFront::VpcOrigin', 'aws:cdk:stack']

interface VpcOriginProps {
  /** Name of the deployment. */
  readonly name: string
  /** ARN of the load balancer or the instance, with a reference to it. */
  readonly arn: string
  /** Port of plain HTTP. CloudFront's connection into the VPC is private. */
  readonly port: number
}

/**
 * A VPC origin of CloudFront. CloudFront refuses to update one that a distribution uses, its tags and its endpoint included
 * (github.com/aws/aws-cdk/issues/35765). So it has no tags, and its logical id contains a hash of everything else: CloudFormation creates a
 * new one, moves the distribution to it, and then deletes the old one. The ARN counts by the logical id in it. So the load balancer or
 * the instance must not be replaced under the same logical id: its id contains {@link hashOf} what would replace it.
 */
export function vpcOrigin(scope: Construct, { name, arn, port }: VpcOriginProps): CfnVpcOrigin {
  const endpoint = { arn, httpPort: port, originProtocolPolicy: 'http-only' }
  const hash = hashOf(scope, { name, endpoint })
  // CloudFront's names are unique in the whole account, across regions, and the old and the new origin exist at the same time.
  const unique = `${name}-relay-${Aws.REGION}-${hash}`
  return new CfnVpcOrigin(scope, `Origin${hash}`, { vpcOriginEndpointConfig: { name: unique, ...endpoint } })
}

/** Eight hexadecimal digits that differ when the value differs. References count by their logical ids. */
export function hashOf(scope: Construct, value: unknown): string {
  const text = JSON.stringify(Stack.of(scope).resolve(value))
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
