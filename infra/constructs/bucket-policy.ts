import { Arn, Stack } from 'aws-cdk-lib'
import type { CfnDistribution } from 'aws-cdk-lib/aws-cloudfront'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { Storage } from './storage.ts'

/**
 * The distribution may put a client's blob where direct uploads go, and nowhere else; and only where there is none, in one request: S3
 * itself insists on the header that the edge adds ("Enforce conditional writes"), so nothing that a row names is ever written over.
 */
export function distributionWrites(storage: Storage, distribution: CfnDistribution): void {
  const onlyNew = { Null: { 's3:if-none-match': 'false' } }
  allowDistribution(storage, distribution, {
    action: 's3:PutObject',
    folders: ['direct'],
    conditions: onlyNew,
  })
}

/** The distribution may read what blobs are made of, but not what is still on its way to become one. */
export function distributionReads(storage: Storage, distribution: CfnDistribution): void {
  allowDistribution(storage, distribution, { action: 's3:GetObject', folders: ['blobs', 'direct'] })
}

interface Permission {
  readonly action: string
  readonly folders: readonly string[]
  readonly conditions?: Record<string, unknown>
}

function allowDistribution(
  { bucket, bucketArn }: Storage,
  distribution: CfnDistribution,
  { action, folders, conditions }: Permission,
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
      conditions: {
        ...conditions,
        StringEquals: { 'aws:SourceArn': Arn.format(parts, Stack.of(distribution)) },
      },
    }),
  )
}
