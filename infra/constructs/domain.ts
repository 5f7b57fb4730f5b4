import { Fn } from 'aws-cdk-lib'
import type { CfnDistribution } from 'aws-cdk-lib/aws-cloudfront'
import { CfnRecordSet } from 'aws-cdk-lib/aws-route53'
import { Construct } from 'constructs'

/** Id of the hosted zone of all CloudFront distributions, the same in every account. */
const CLOUDFRONT_ZONE = 'Z2FDTNDATAQYW2'

interface DomainProps {
  readonly domain: string
  readonly hostedZoneId: string
  readonly distribution: CfnDistribution
}

/** Points the registry's domain to CloudFront, for IPv4 and IPv6. */
export class Domain extends Construct {
  constructor(scope: Construct, id: string, { domain, hostedZoneId, distribution }: DomainProps) {
    super(scope, id)
    const aliasTarget = {
      dnsName: Fn.getAtt(distribution.logicalId, 'DomainName').toString(),
      hostedZoneId: CLOUDFRONT_ZONE,
    }
    for (const type of ['A', 'AAAA'])
      new CfnRecordSet(this, type, { hostedZoneId, name: domain, type, aliasTarget })
  }
}
