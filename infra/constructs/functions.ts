import { Duration } from 'aws-cdk-lib'
import { Rule, Schedule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import type { Role } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import type { Settings } from '../settings.ts'
import { Handler } from './handler.ts'
import type { Logs } from './logs.ts'
import { suppressWildcard } from './nag-suppressions.ts'
import {
  allow,
  allowBlobs,
  allowListing,
  allowObjects,
  allowTable,
  allowTableExceptAccess,
} from './permissions.ts'
import type { Storage } from './storage.ts'

/** Lambda's maximum timeout. */
const MAX_TIMEOUT = Duration.minutes(15)

interface FunctionsProps {
  readonly settings: Settings
  readonly storage: Storage
  readonly environment: Record<string, string>
  /** ARN of the SSM parameter that holds the secrets of edge and API. */
  readonly secretArn: string
  readonly logs: Logs
  /** The relay's instance, which the API starts and the collector stops. `undefined`: no relay, or one that is never stopped. */
  readonly relay: { readonly instanceId: string; readonly instanceArn: string } | undefined
}

/** The registry's three functions: the API, the adoption of direct uploads, and the collector. */
export class Functions extends Construct {
  readonly api: Handler
  readonly claim: Handler
  readonly collector: Handler

  constructor(
    scope: Construct,
    id: string,
    { settings, storage, secretArn, logs, relay, ...props }: FunctionsProps,
  ) {
    super(scope, id)
    const { environment } = props
    const withRelay = { ...environment, ...(relay && { LONGSHORE_RELAY_INSTANCE: relay.instanceId }) }
    this.api = new Handler(this, 'Api', {
      file: 'api',
      description: 'Longshore: serves the registry API',
      memory: settings.memory,
      // API Gateway's timeout is 30 seconds. A function that ends earlier can log why.
      timeout: Duration.seconds(29),
      environment: withRelay,
      log: logs.of('api'),
    })
    allowTable(this.api.role, storage)
    allowBlobs(this.api.role, storage)
    allow(this.api.role, 'ssm', ['GetParameter'], secretArn)
    if (relay) allow(this.api.role, 'ec2', ['StartInstances'], relay.instanceArn)

    this.claim = new Handler(this, 'Claim', {
      file: 's3-event',
      description: 'Longshore: adopts direct uploads',
      // One full vCPU, because some objects must be read and hashed.
      memory: 1769,
      timeout: MAX_TIMEOUT,
      environment,
      log: logs.of('claim'),
      keepTrying: Duration.hours(6),
    })
    allowTableExceptAccess(this.claim.role, storage)
    allowListing(this.claim.role, storage)
    allowObjects(this.claim.role, storage, 'read', 'direct')
    storage.notifyOfDirectUploads(this.claim.function)

    this.collector = new Handler(this, 'Collector', {
      file: 'collector',
      description: 'Longshore: deletes unreferenced content',
      memory: 512,
      timeout: MAX_TIMEOUT,
      environment: withRelay,
      log: logs.of('collector'),
      ...(settings.reserveCollector === 'on' && { atMost: 1 }),
    })
    allowTableExceptAccess(this.collector.role, storage)
    allowClearing(this.collector.role, storage)
    if (relay) allowStopping(this.collector.role, relay.instanceArn)
    new Rule(this, 'Schedule', {
      description: 'Longshore: runs the garbage collector',
      schedule: Schedule.rate(Duration.hours(1)),
      // The next run is in an hour anyway.
      targets: [new LambdaFunction(this.collector.function, { retryAttempts: 0 })],
    })
  }
}

/** Stopping an instance that runs without serving. */
function allowStopping(role: Role, instanceArn: string): void {
  allow(role, 'ec2', ['StopInstances'], instanceArn)
  allow(role, 'ec2', ['DescribeInstances'], '*')
  suppressWildcard(role, '*', 'EC2 does not restrict ec2:DescribeInstances to single instances.')
}

/** Runs the collector every hour. It reads large manifests to find what they needed, and direct uploads whose event was lost. */
function allowClearing(role: Role, storage: Storage): void {
  allowListing(role, storage)
  allowObjects(role, storage, 'read', 'blobs', 'direct')
  allowObjects(role, storage, 'multipart', 'blobs')
  allowObjects(role, storage, 'delete', 'blobs', 'tails', 'direct')
}
