import { Effect, type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { ACCESS_PARTITIONS, ACCOUNTS } from '../../lambda/store/keys.ts'
import { suppressWildcard } from './nag-suppressions.ts'
import type { Storage } from './storage.ts'

/** The prefixes of the bucket; lambda/store/s3/blobs.ts describes them. */
type Folder = 'blobs' | 'tails' | 'direct'

const ROWS = ['GetItem', 'BatchGetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem']
const OBJECTS = {
  read: ['GetObject'],
  /** Also covers starting a multipart upload, sending its parts and completing it. */
  write: ['PutObject'],
  /** Listing the parts of a multipart upload, and aborting it. */
  multipart: ['ListMultipartUploadParts', 'AbortMultipartUpload'],
  delete: ['DeleteObject'],
}

/** Reading and changing rows, single and in transactions. */
export function allowTable(role: IRole, { table }: Storage): void {
  allow(role, 'dynamodb', ROWS, table.tableArn)
}

/**
 * The same without the rows of accounts, tokens and the policy, for functions that serve no requests. It denies these
 * partitions instead of allowing the others, so that a call in which IAM sees no partition is not refused.
 */
export function allowTableExceptAccess(role: IRole, storage: Storage): void {
  allowTable(role, storage)
  role.addToPrincipalPolicy(
    new PolicyStatement({
      effect: Effect.DENY,
      actions: ROWS.map(action => `dynamodb:${action}`),
      resources: [storage.table.tableArn],
      conditions: { 'ForAnyValue:StringEquals': { 'dynamodb:LeadingKeys': ACCESS_PARTITIONS } },
    }),
  )
}

/** Checking whether there are accounts, and creating one. */
export function allowFirstAccount(role: IRole, { table }: Storage): void {
  role.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['dynamodb:Query', 'dynamodb:PutItem'],
      resources: [table.tableArn],
      conditions: { 'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [ACCOUNTS] } },
    }),
  )
}

/** Listing objects and multipart uploads. Without s3:ListBucket, S3 answers 403 instead of 404 for missing keys. */
export function allowListing(role: IRole, { bucketArn }: Storage): void {
  allow(role, 's3', ['ListBucket', 'ListBucketMultipartUploads'], bucketArn)
}

/** Allows actions on the objects under some prefixes of the bucket only. */
export function allowObjects(
  role: IRole,
  { bucketArn }: Storage,
  what: keyof typeof OBJECTS,
  ...folders: Folder[]
): void {
  const objects = folders.map(folder => `${bucketArn}/${folder}/*`)
  allow(role, 's3', OBJECTS[what], ...objects)
  for (const all of objects)
    suppressWildcard(
      role,
      all,
      'All objects under one prefix of the bucket: their names are random ids of future uploads.',
    )
}

/** Everything that the registry does with blobs: serving, receiving and deleting them. */
export function allowBlobs(role: IRole, storage: Storage): void {
  allowListing(role, storage)
  allowObjects(role, storage, 'read', 'blobs', 'tails', 'direct')
  allowObjects(role, storage, 'write', 'blobs', 'tails')
  allowObjects(role, storage, 'multipart', 'blobs')
  allowObjects(role, storage, 'delete', 'blobs', 'tails', 'direct')
}

/** @param actions without the prefix of the service */
export function allow(
  role: IRole,
  service: string,
  actions: readonly string[],
  ...resources: string[]
): void {
  role.addToPrincipalPolicy(
    new PolicyStatement({ actions: actions.map(action => `${service}:${action}`), resources }),
  )
}
