import { Arn, Stack } from 'aws-cdk-lib'
import type { CfnDistribution } from 'aws-cdk-lib/aws-cloudfront'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { Storage } from './storage.ts'

/**
 * Allows the distribution to write objects of direct uploads, in one request and only where no object exists. S3
 * requires the `If-None-Match` header that the edge adds ("Enforce conditional writes"), so an object that a row names
 * is never overwritten.
 */
export function distributionWrites(storage: Storage, distribution: CfnDistribution): void {
  const onlyNew = { Null: { 's3:if-none-match': 'false' } }
  allowDistribution(storage, distribution, {
    action: 's3:PutObject',
    folders: ['direct'],
    conditions: onlyNew,
  })
}

/** Allows the distribution to read committed objects, but not drafts. */
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
