import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from '../../../infra/bundle.ts'
import { BackgroundProcess, eventually } from '../../support/command.ts'
import { DynamoDBLocal } from '../../support/dynamodb-local.ts'
import { freePort } from '../../support/free-port.ts'
import { S3Server } from '../../support/s3-server.ts'
import { expectNoSecrets } from '../../support/secrets-in-logs.ts'
import { TempDir } from '../../support/temp-dir.ts'
import { ApiGateway, type HeadLength } from './api-gateway.ts'
import { BucketEvents } from './bucket-events.ts'
import { CloudFront } from './cloudfront.ts'
import { Lambda } from './lambda.ts'
import { ParameterStore } from './parameter-store.ts'

const RELAY = fileURLToPath(new URL('../../../server/relay.ts', import.meta.url))
const HANDLERS = fileURLToPath(new URL('../../../lambda/handlers', import.meta.url))
const TABLE = 'registry'
const MINUTE = 60_000

interface CloudOptions {
  readonly pull?: 's3' | 'edge'
  readonly relay?: boolean
  /** Off unless it is what a test is about. */
  readonly auth?: 'on' | 'off'
  /** What else the processes are told. */
  readonly environment?: Readonly<Record<string, string>>
  /** Of a HEAD through API Gateway. */
  readonly headLength?: HeadLength
  /** Which request CloudFront shows to the viewer-response function. */
  readonly shows?: 'viewer' | 'origin'
  /** Headers that CloudFront loses on the way to the bucket, to see what becomes of that. */
  readonly drops?: readonly string[]
  /** Seconds for which CloudFront keeps refusals, to see what becomes of that. */
  readonly keepsRefusals?: number
  /** Of CloudFront; 0 for any. */
  readonly port?: number
}

/** The deployed registry on one machine: every piece of ours as it is, every piece of Amazon's as it is known to be. */
export class Cloud implements AsyncDisposable {
  readonly #undo = new AsyncDisposableStack()
  cloudfront!: CloudFront
  gateway!: ApiGateway
  api!: Lambda
  claim!: Lambda
  collector!: Lambda
  events!: BucketEvents
  s3!: S3Server
  dynamo!: DynamoDBLocal
  /** The name of the table. */
  readonly table = TABLE
  /** What the edge verifies links with. */
  readonly key = randomBytes(32).toString('base64url')
  readonly header = randomBytes(32).toString('base64url')
  readonly tokenKey = randomBytes(32).toString('base64url')
  #awsSecret = ''
  #relay: BackgroundProcess | undefined

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

  /** As clients name it. */
  get host(): string {
    return `127.0.0.1:${this.cloudfront.port}`
  }

  get origin(): string {
    return `http://${this.host}`
  }

  /** All that the pieces of ours have logged. */
  get logs(): string {
    const { api, claim, collector } = this
    return [api?.logs, claim?.logs, collector?.logs, this.#relay?.logs].join('')
  }

  /** @throws {Error} when any of its logs holds a secret */
  async stop(): Promise<void> {
    await this.#undo.disposeAsync()
    const { key, tokenKey, header } = this
    expectNoSecrets(this.logs, {
      'the key of the edge': key,
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
    relay,
    auth = 'off',
    environment: more = {},
    headLength = 'counted',
    shows = 'viewer',
    drops = [],
    keepsRefusals = 0,
    port: wanted = 0,
  }: CloudOptions) {
    // Clients are told by what name to log in, so that must be known first.
    const port = wanted === 0 && auth === 'on' ? await freePort() : wanted
    const scratch = this.#undo.adopt(new TempDir('longshore-cloud-'), scratch => scratch.remove())
    this.events = this.#keep(await BucketEvents.start())
    const [dynamo, s3] = [DynamoDBLocal.start(), S3Server.start(this.events.url)]
    // When one of them does not start the other must have, so that it is stopped.
    await Promise.allSettled([dynamo.then(it => this.#keep(it)), s3.then(it => this.#keep(it))])
    ;[this.dynamo, this.s3] = await Promise.all([dynamo, s3])
    await this.dynamo.createTable(TABLE)
    const secrets = JSON.stringify({
      edgeKeys: [this.key],
      tokenKeys: [this.tokenKey],
      header: this.header,
    })
    const parameters = this.#keep(await ParameterStore.start(secrets))
    const { endpoint, bucket, region, credentials } = this.s3.settings
    const keys = await credentials()
    this.#awsSecret = keys.secretAccessKey
    const environment = {
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: this.dynamo.endpoint,
      AWS_ENDPOINT_URL_SSM: parameters.endpoint,
      LONGSHORE_TABLE: TABLE,
      LONGSHORE_BUCKET: bucket,
      LONGSHORE_SECRET: '/longshore/secret',
      LONGSHORE_PULL: pull,
      LONGSHORE_AUTH: auth,
      ...(auth === 'on' && { LONGSHORE_ORIGIN: `http://127.0.0.1:${port}` }),
      ...more,
    }
    const lambda = (handler: string, timeout: number) => {
      const folder = scratch.folder(handler)
      bundle(join(HANDLERS, `${handler}.ts`), folder)
      return this.#keep(new Lambda({ bundle: join(folder, 'index.mjs'), environment, timeout }))
    }
    this.api = lambda('api', 29_000)
    this.claim = lambda('s3-event', 15 * MINUTE)
    this.collector = lambda('collector', 15 * MINUTE)
    this.events.deliverTo(event => this.claim.invoke(event))
    this.gateway = this.#keep(await ApiGateway.start(this.api, headLength))
    const relayPort = relay ? await this.#startRelay(environment) : undefined
    const ports = {
      api: this.gateway.port,
      bucket: Number(new URL(endpoint).port),
      ...(relayPort !== undefined && { relay: relayPort }),
    }
    // As lambda/handlers/edge-secret.ts writes them for a new deployment.
    const items = { keys: this.key, auth, unsigned: '0', ...(relay && { relay: 'on' }) }
    const { header } = this
    const pulls = pull === 'edge'
    const ways = { ports, items, header, bucket, pulls, region, credentials: keys }
    this.cloudfront = this.#keep(await CloudFront.start({ ...ways, shows, drops, keepsRefusals }, port))
  }

  async #startRelay(environment: Record<string, string>): Promise<number> {
    const port = await freePort()
    const relay = new BackgroundProcess(process.execPath, [RELAY], { ...environment, PORT: String(port) })
    this.#undo.defer(() => relay.end())
    this.#relay = relay
    const isUp = () =>
      fetch(`http://127.0.0.1:${port}/v2/`)
        .then(({ status }) => status === 403)
        .catch(() => false)
    await eventually(
      () => isUp(),
      () => relay.logs,
    )
    return port
  }

  /** Stops it in its turn: what was started last goes first. */
  #keep<T extends { stop(): unknown }>(piece: T): T {
    this.#undo.defer(async () => void (await piece.stop()))
    return piece
  }
}
