import { Arn, Stack } from 'aws-cdk-lib'
import type { CfnDistribution } from 'aws-cdk-lib/aws-cloudfront'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { Storage } from './storage.ts'

/** The distribution may put a client's blob where direct uploads go, and nowhere else. */
export function distributionWrites(storage: Storage, distribution: CfnDistribution): void {
  allowDistribution(storage, distribution, 's3:PutObject', 'direct')
}

/** The distribution may read what blobs are made of, but not what is still on its way to become one. */
export function distributionReads(storage: Storage, distribution: CfnDistribution): void {
  allowDistribution(storage, distribution, 's3:GetObject', 'blobs', 'direct')
}

function allowDistribution(
  { bucket, bucketArn }: Storage,
  distribution: CfnDistribution,
  action: string,
  ...folders: string[]
): void {
  const parts = {
    service: 'cloudfront',
    region: '',
    resource: 'distribution',
    resourceName: distribution.ref,
  }
  bucket.addToResourcePolicy(
    new PolicyStatement({
      principals: [new ServicePrincipal('cloudfront.amazonaws.com')],
      actions: [action],
      resources: folders.map(folder => `${bucketArn}/${folder}/*`),
      conditions: { StringEquals: { 'aws:SourceArn': Arn.format(parts, Stack.of(distribution)) } },
    }),
  )
}
