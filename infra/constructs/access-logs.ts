import { Duration, type RemovalPolicy } from 'aws-cdk-lib'
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { accept } from './accepted.ts'

/** Where CloudFront and S3 write down each request. Upload and pull links are in there; they last for minutes. */
export class AccessLogs extends Construct {
  readonly bucket: Bucket

  constructor(scope: Construct, id: string, { days, removal }: { days: number; removal: RemovalPolicy }) {
    super(scope, id)
    this.bucket = new Bucket(this, 'Bucket', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      // CloudFront delivers its logs by an access control list, and knows no other way outside of us-east-1.
      objectOwnership: ObjectOwnership.BUCKET_OWNER_PREFERRED,
      lifecycleRules: [{ id: 'old-logs', expiration: Duration.days(days) }],
      removalPolicy: removal,
    })
    accept(
      this.bucket,
      'AwsSolutions-S1',
      'It is where the logs go: a log of their delivery would log itself without end.',
    )
  }
}
