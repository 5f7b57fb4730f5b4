import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from '../../../infra/bundle.ts'
import { DynamoDBLocal } from '../../support/dynamodb-local.ts'
import { freePort } from '../../support/free-port.ts'
import { S3Server } from '../../support/s3-server.ts'
import { expectNoSecrets } from '../../support/secrets-in-logs.ts'
import { TempDir } from '../../support/temp-dir.ts'
import { ApiGateway, type HeadLength } from './api-gateway.ts'
import { BucketEvents } from './bucket-events.ts'
import { CloudFront } from './cloudfront.ts'
import { Ec2 } from './ec2.ts'
import { Ec2Instance } from './ec2-instance.ts'
import { Lambda } from './lambda.ts'
import { ParameterStore } from './parameter-store.ts'
import { RelayProcesses } from './relay-processes.ts'

const HANDLERS = fileURLToPath(new URL('../../../lambda/handlers', import.meta.url))
const TABLE = 'registry'
const MINUTE = 60_000

interface CloudOptions {
  readonly pull?: 's3' | 'edge'
  /** `true`: a relay that runs all the time. `auto`: a relay on an EC2 instance, which is stopped at the start. */
  readonly relay?: boolean | 'auto'
  /** Times of the instance with `relay: 'auto'`, in milliseconds: from the start to the relay, and from the power-off to `stopped`. */
  readonly bootMs?: number
  readonly shutdownMs?: number
  /** Time after which CloudFront gives up connecting to an origin, in milliseconds. Default: 30,000, in three attempts. */
  readonly connectionTimeoutMs?: number
  /** Default: off. */
  readonly auth?: 'on' | 'off'
  /** Further environment variables of the functions and the relay. */
  readonly environment?: Readonly<Record<string, string>>
  /** Content-Length of a HEAD response from API Gateway. */
  readonly headLength?: HeadLength
  /** The request that the viewer-response function receives. */
  readonly viewerResponseRequest?: 'viewer' | 'origin'
  /** Headers that CloudFront does not forward to the bucket. */
  readonly droppedHeaders?: readonly string[]
  /** How long CloudFront caches error responses, in seconds. */
  readonly errorCacheSeconds?: number
  /** Port of CloudFront. 0: any free port. */
  readonly port?: number
}

/** The deployed registry on one machine: the deployed code, with emulated AWS services. */
export class Cloud implements AsyncDisposable {
  readonly #undo = new AsyncDisposableStack()
  cloudfront!: CloudFront
  gateway!: ApiGateway
  api!: Lambda
  /** The function for S3 events. */
  s3Event!: Lambda
  collector!: Lambda
  events!: BucketEvents
  s3!: S3Server
  dynamo!: DynamoDBLocal
  /** With `relay: 'auto'`. */
  ec2!: Ec2
  /** Name of the DynamoDB table. */
  readonly table = TABLE
  /** The key that the edge verifies signed URLs with. */
  readonly edgeKey = randomBytes(32).toString('base64url')
  readonly header = randomBytes(32).toString('base64url')
  readonly tokenKey = randomBytes(32).toString('base64url')
  #awsSecret = ''
  #relay: RelayProcesses | undefined

  static async start(options: CloudOptions = {}): Promise<Cloud> {
    const cloud = new Cloud()
    try {
      await cloud.#start(options)
      return cloud
    } catch (error) {
      await cloud.stop()
      throw error
    }
  }

  /** Host and port of the registry. */
  get host(): string {
    return `127.0.0.1:${this.cloudfront.port}`
  }

  get origin(): string {
    return `http://${this.host}`
  }

  /** Logs of the functions and the relay. */
  get logs(): string {
    const { api, s3Event, collector } = this
    return [api?.logs, s3Event?.logs, collector?.logs, this.#relay?.logs].join('')
  }

  /** @throws {Error} when a log contains a secret */
  async stop(): Promise<void> {
    await this.#undo.disposeAsync()
    const { edgeKey, tokenKey, header } = this
    expectNoSecrets(this.logs, {
      'the key of the edge': edgeKey,
      'the key of the tokens': tokenKey,
      "the edge's header": header,
      'a credential of AWS': this.#awsSecret,
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #start({
    pull = 's3',
    relay = false,
    bootMs = 20_000,
    shutdownMs = 20_000,
    connectionTimeoutMs = 30_000,
    auth = 'off',
    environment: additional = {},
    headLength = 'counted',
    viewerResponseRequest = 'viewer',
    droppedHeaders = [],
    errorCacheSeconds = 0,
    port: requestedPort = 0,
  }: CloudOptions) {
    // With logins, the functions need the registry's address before CloudFront starts.
    const port = requestedPort === 0 && auth === 'on' ? await freePort() : requestedPort
    const scratch = this.#undo.adopt(new TempDir('longshore-cloud-'), scratch => scratch.remove())
    this.events = this.#keep(await BucketEvents.start())
    const [dynamo, s3] = [DynamoDBLocal.start(), S3Server.start(this.events.url)]
    // If one does not start, the other one is stopped.
    await Promise.allSettled([dynamo.then(it => this.#keep(it)), s3.then(it => this.#keep(it))])
    ;[this.dynamo, this.s3] = await Promise.all([dynamo, s3])
    await this.dynamo.createTable(TABLE)
    const secrets = JSON.stringify({
      edgeKeys: [this.edgeKey],
      tokenKeys: [this.tokenKey],
      header: this.header,
    })
    const parameters = this.#keep(await ParameterStore.start(secrets))
    const { endpoint, bucket, region, credentials } = this.s3.settings
    const awsKeys = await credentials()
    this.#awsSecret = awsKeys.secretAccessKey
    const environment: Record<string, string> = {
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: awsKeys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: awsKeys.secretAccessKey,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: this.dynamo.endpoint,
      AWS_ENDPOINT_URL_SSM: parameters.endpoint,
      LONGSHORE_TABLE: TABLE,
      LONGSHORE_BUCKET: bucket,
      LONGSHORE_SECRET: '/longshore/secret',
      LONGSHORE_PULL: pull,
      LONGSHORE_AUTH: auth,
      ...(auth === 'on' && { LONGSHORE_ORIGIN: `http://127.0.0.1:${port}` }),
      ...additional,
    }
    const relayPort = relay ? await this.#startRelay(environment, relay, { bootMs, shutdownMs }) : undefined
    const lambda = (handler: string, timeout: number) => {
      const folder = scratch.folder(handler)
      bundle(join(HANDLERS, `${handler}.ts`), folder)
      return this.#keep(new Lambda({ bundle: join(folder, 'index.mjs'), environment, timeout }))
    }
    this.api = lambda('api', 29_000)
    this.s3Event = lambda('s3-event', 15 * MINUTE)
    this.collector = lambda('collector', 15 * MINUTE)
    this.events.deliverTo(event => this.s3Event.invoke(event))
    this.gateway = this.#keep(await ApiGateway.start(this.api, headLength))
    const ports = {
      api: this.gateway.port,
      bucket: Number(new URL(endpoint).port),
      ...(relayPort !== undefined && { relay: relayPort }),
    }
    const items = { keys: this.edgeKey, auth, ...(relay && { relay: relay === 'auto' ? 'auto' : 'on' }) }
    const { header } = this
    const hasPullBehavior = pull === 'edge'
    const distribution = { ports, items, header, bucket, hasPullBehavior, region, credentials: awsKeys }
    this.cloudfront = this.#keep(
      await CloudFront.start(
        {
          ...distribution,
          viewerResponseRequest,
          droppedHeaders,
          errorCacheSeconds,
          connectionTimeoutMs,
          isReachable: origin => origin !== 'relay' || relay !== 'auto' || this.ec2.instance.isReachable,
        },
        port,
      ),
    )
  }

  /** Adds the relay's instance to the environment of the functions. @returns the relay's port */
  async #startRelay(
    environment: Record<string, string>,
    relay: true | 'auto',
    times: { readonly bootMs: number; readonly shutdownMs: number },
  ): Promise<number> {
    const processes = this.#keep(new RelayProcesses(await freePort(), environment))
    this.#relay = processes
    if (relay === 'auto') {
      const instance = new Ec2Instance({ ...times, startService: () => processes.start() })
      this.ec2 = this.#keep(await Ec2.start(instance))
      environment.AWS_ENDPOINT_URL_EC2 = this.ec2.endpoint
      environment.LONGSHORE_RELAY_INSTANCE = instance.id
    } else {
      processes.start()
      await processes.listening()
    }
    return processes.port
  }

  /** Stops the service with the cloud, in the reverse order of the starts. */
  #keep<T extends { stop(): unknown }>(service: T): T {
    this.#undo.defer(async () => void (await service.stop()))
    return service
  }
}
