import { Aws, Duration, Fn, RemovalPolicy } from 'aws-cdk-lib'
import { AttributeType, Billing, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type CfnBucket,
  HttpMethods,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { suppress } from './nag-suppressions.ts'

interface StorageProps {
  /** Prefix of the bucket's name. */
  readonly name: string
  /** What happens to the data when the stack is deleted. */
  readonly removal: RemovalPolicy
  /** Whether web pages on other sites may read blobs by presigned URL. */
  readonly readByPages: boolean
}

/** The storage of the registry: an S3 bucket for bytes, a DynamoDB table for rows. */
export class Storage extends Construct {
  readonly bucket: Bucket
  /**
   * The bucket's name, built from the account and the id of the stack. The bucket refers to the function that it calls,
   * and the function to the bucket. A name that does not come from CloudFormation breaks this cycle.
   */
  readonly bucketName: string
  readonly bucketArn: string
  readonly table: TableV2

  constructor(scope: Construct, id: string, { name, removal, readByPages }: StorageProps) {
    super(scope, id)
    const stackId = Fn.select(2, Fn.split('/', Aws.STACK_ID))
    this.bucketName = `${name}-${Aws.ACCOUNT_ID}-${Fn.select(0, Fn.split('-', stackId))}`
    this.bucketArn = `arn:${Aws.PARTITION}:s3:::${this.bucketName}`

    // No versions: an object is written only once (its key is the id of its upload, and each write is conditional), so
    // versions would only keep, and bill, objects that the garbage collector has deleted.
    this.bucket = new Bucket(this, 'Blobs', {
      bucketName: this.bucketName,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules: [
        { id: 'unfinished-uploads', abortIncompleteMultipartUploadAfter: Duration.days(7) },
        { id: 'forgotten-tails', prefix: 'tails/', expiration: Duration.days(7) },
      ],
      removalPolicy: removal,
      // After the redirect of the API a browser sends `Origin: null` (Fetch standard, HTTP-redirect fetch), which only
      // `*` allows. Reading still requires a presigned URL.
      ...(readByPages && {
        cors: [
          {
            allowedOrigins: ['*'],
            allowedMethods: [HttpMethods.GET, HttpMethods.HEAD],
            allowedHeaders: ['*'],
            exposedHeaders: ['Accept-Ranges', 'Content-Length', 'Content-Range', 'ETag'],
            maxAge: 7200,
          },
        ],
      }),
    })
    suppress(
      this.bucket,
      'AwsSolutions-S1',
      'S3 access logs contain the signatures of presigned URLs. The API logs each request for such a URL, without the signature.',
    )

    this.table = new TableV2(this, 'Table', {
      partitionKey: { name: 'partition', type: AttributeType.STRING },
      sortKey: { name: 'sort', type: AttributeType.STRING },
      billing: Billing.onDemand(),
      encryption: TableEncryptionV2.dynamoOwnedKey(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: removal === RemovalPolicy.RETAIN,
      removalPolicy: removal,
    })
  }

  /**
   * Invokes a function for each direct upload. This uses the bucket's own property, because the CDK's way adds a
   * function that may change the notifications of every bucket.
   */
  notifyOfDirectUploads(to: IFunction): void {
    to.addPermission('Bucket', {
      principal: new ServicePrincipal('s3.amazonaws.com'),
      sourceArn: this.bucketArn,
      sourceAccount: Aws.ACCOUNT_ID,
    })
    const bucket = this.bucket.node.defaultChild as CfnBucket
    bucket.notificationConfiguration = {
      lambdaConfigurations: [
        {
          event: 's3:ObjectCreated:Put',
          filter: { s3Key: { rules: [{ name: 'prefix', value: 'direct/' }] } },
          function: to.functionArn,
        },
      ],
    }
    const permission = to.node.findChild('Bucket')
    bucket.node.addDependency(permission)
  }
}
