import { type App, Aws, CfnOutput, RemovalPolicy, Stack, Tags } from 'aws-cdk-lib'
import { type Amis, readAmis } from './amis.ts'
import { Api } from './constructs/api.ts'
import { Domain } from './constructs/domain.ts'
import { Edge } from './constructs/edge.ts'
import { EdgeSecret } from './constructs/edge-secret.ts'
import { FargateRelay } from './constructs/fargate-relay.ts'
import { FirstAdministrator } from './constructs/first-administrator.ts'
import { Functions } from './constructs/functions.ts'
import { Logs } from './constructs/logs.ts'
import { RelayInstance } from './constructs/relay-instance.ts'
import { Storage } from './constructs/storage.ts'
import { UNTAGGED } from './constructs/vpc-origin.ts'
import type { Settings } from './settings.ts'

/** CDK feature flags that the stack turns on. */
const FEATURE_FLAGS = [
  // Autoscaling decides the number of tasks, also when the stack is updated.
  '@aws-cdk/aws-ecs:removeDefaultDesiredCount',
]

/** What the API, the other functions and the relay have in common. */
interface Shared {
  readonly settings: Settings
  readonly storage: Storage
  readonly environment: Record<string, string>
  readonly secretArn: string
}

/**
 * The whole registry:
 *
 *     client ──► edge ──┬──► api ──► function ──► table, bucket
 *                       ├──► relay            ──► table, bucket
 *                       └──► bucket ──► claim ──► table
 *
 *                          every hour: collector     ──► table, bucket
 */
export class RegistryStack extends Stack {
  /** @param amis the images that the relay's instance can have */
  constructor(app: App, settings: Settings, amis: Amis = readAmis()) {
    super(app, settings.name, {
      description: 'Longshore: a serverless container registry',
      analyticsReporting: false,
    })
    for (const flag of FEATURE_FLAGS) this.node.setContext(flag, true)
    const { name } = settings
    const removal = settings.retain === 'on' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY
    const logs = new Logs(this, 'Logs', { name, days: settings.logRetentionDays })
    const storage = new Storage(this, 'Storage', {
      name,
      removal,
      readByPages: settings.corsOrigins.length > 0 && settings.pull === 's3',
    })
    const parameter = `/${name}/edge-secret`
    const secret = new EdgeSecret(this, 'EdgeSecret', {
      parameter,
      generation: settings.secretGeneration,
      retain: settings.retain === 'on',
      relay: settings.relay !== 'off',
      auth: settings.auth,
      log: logs.of('edge-secret'),
    })
    const shared: Shared = {
      settings,
      storage,
      environment: environmentOf(settings, storage, parameter),
      secretArn: secret.parameterArn,
    }
    const relay = this.#relay(shared, logs, amis)
    const functions = new Functions(this, 'Functions', {
      ...shared,
      logs,
      relay: relay instanceof RelayInstance ? relay : undefined,
    })
    const api = new Api(this, 'Api', {
      name,
      function: functions.api.function,
      requestsPerSecond: settings.requestsPerSecond,
      log: logs.of('requests'),
    })
    const { distribution } = new Edge(this, 'Edge', {
      settings,
      storage,
      store: secret.store,
      storeItems: secret.items,
      apiHost: api.host,
      secretHeader: secret.header,
      relay,
    })
    if (relay) secret.announceRelay(distribution, settings.relay === 'auto' ? 'auto' : 'on')
    const { domain, zone } = settings
    if (domain && zone) new Domain(this, 'Domain', { domain, hostedZoneId: zone, distribution })

    for (const [key, value] of Object.entries(settings.tags))
      Tags.of(this).add(key, value, { excludeResourceTypes: UNTAGGED })
    const host = domain ?? distribution.attrDomainName
    this.#output('Registry', `https://${host}`, "The registry's address")
    this.#output('Login', `docker login ${host}`, 'Logs Docker in to the registry')
    if (settings.auth === 'on' && settings.firstAdministrator === 'on') {
      const parts = { host, storage, log: logs.of('first-administrator') }
      const { login } = new FirstAdministrator(this, 'FirstAdministrator', parts)
      this.#output(
        'FirstLogin',
        login,
        'Logs Docker in as the first administrator, with the generated password',
      )
    }
    this.#output('EdgeHost', distribution.attrDomainName, 'Target of the alias or CNAME record of the domain')
    this.#output(
      'ApiAddress',
      `https://${api.host}`,
      'Address of the API behind CloudFront, which refuses direct requests',
    )
    this.#output('TableName', storage.table.tableName, 'DynamoDB table with the rows of the registry')
    this.#output('BucketName', storage.bucket.bucketName, 'S3 bucket with the blobs')
    this.#output('SecretName', parameter, 'SSM parameter with the secrets that the edge and the API share')
    this.#output('LogGroups', `/${name}/`, 'Prefix of the names of all log groups')
  }

  #relay(shared: Shared, logs: Logs, amis: Amis): FargateRelay | RelayInstance | undefined {
    const { relay } = shared.settings
    if (relay === 'off') return undefined
    const props = { ...shared, log: logs.of('relay'), networkLog: logs.of('network') }
    return relay === 'fargate'
      ? new FargateRelay(this, 'Relay', props)
      : new RelayInstance(this, 'RelayInstance', { ...props, amis })
  }

  #output(id: string, value: string, description: string): void {
    new CfnOutput(this, id, { value, description })
  }
}

/** The environment variables that lambda/aws/config.ts reads. */
function environmentOf(settings: Settings, storage: Storage, parameter: string): Record<string, string> {
  return {
    LONGSHORE_TABLE: storage.table.tableName,
    LONGSHORE_BUCKET: storage.bucketName,
    LONGSHORE_PULL: settings.pull,
    LONGSHORE_AUTH: settings.auth,
    ...(settings.awsAccounts !== 'off' && {
      LONGSHORE_AWS_ACCOUNTS: settings.awsAccounts === 'own' ? Aws.ACCOUNT_ID : settings.awsAccounts,
    }),
    ...(settings.issuers.length > 0 && { LONGSHORE_ISSUERS: JSON.stringify(settings.issuers) }),
    ...(settings.corsOrigins.length > 0 && { LONGSHORE_CORS_ORIGINS: settings.corsOrigins.join() }),
    LONGSHORE_SECRET: parameter,
    ...(settings.sparse && { LONGSHORE_SPARSE: settings.sparse }),
    LONGSHORE_GRACE_HOURS: String(settings.graceHours),
    ...(settings.domain && { LONGSHORE_ORIGIN: `https://${settings.domain}` }),
  }
}
