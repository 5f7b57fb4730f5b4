import { Effect, type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { ACCESS_PARTITIONS, ACCOUNTS } from '../../lambda/store/keys.ts'
import { suppressWildcard } from './nag-suppressions.ts'
import type { Storage } from './storage.ts'

/** The folders of the bucket: what is kept in each is said in lambda/store/s3/blobs.ts. */
type Folder = 'blobs' | 'tails' | 'direct'

const ROWS = ['GetItem', 'BatchGetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem']
const OBJECTS = {
  read: ['GetObject'],
  /** Starting a multipart upload, sending its parts and completing it count as this too. */
  write: ['PutObject'],
  /** What else there is to do with a multipart upload: look at its parts, and give it up. */
  multipart: ['ListMultipartUploadParts', 'AbortMultipartUpload'],
  delete: ['DeleteObject'],
}

/** What every part of the registry does: read rows and change them, alone and in transactions. */
export function allowTable(role: IRole, { table }: Storage): void {
  allow(role, 'dynamodb', ROWS, table.tableArn)
}

/**
 * What works behind the requests: the same, but not the rows of accounts, tokens and the policy. It is a denial of
 * those partitions, so that a call in which IAM sees no partition is not refused.
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

/** To look whether there are accounts, and to make one; nothing else of the table. */
export function allowFirstAccount(role: IRole, { table }: Storage): void {
  role.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['dynamodb:Query', 'dynamodb:PutItem'],
      resources: [table.tableArn],
      conditions: { 'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [ACCOUNTS] } },
    }),
  )
}

/** To see which objects and unfinished uploads there are. Without it S3 says "forbidden" of what is not there. */
export function allowListing(role: IRole, { bucketArn }: Storage): void {
  allow(role, 's3', ['ListBucket', 'ListBucketMultipartUploads'], bucketArn)
}

/** To do something with the objects of some folders of the bucket, and of no others. */
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
      'All objects of one folder of the bucket: their names are random ids of uploads to come.',
    )
}

/** What the registry's app does with blobs, in whichever process: serves, receives, and clears away. */
export function allowBlobs(role: IRole, storage: Storage): void {
  allowListing(role, storage)
  allowObjects(role, storage, 'read', 'blobs', 'tails', 'direct')
  allowObjects(role, storage, 'write', 'blobs', 'tails')
  allowObjects(role, storage, 'multipart', 'blobs')
  allowObjects(role, storage, 'delete', 'blobs', 'tails', 'direct')
}

/** @param actions without the service, which is named once */
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
