import { parseArgs } from 'node:util'
import { hasDynamoDBLocal } from '../../support/dynamodb-local.ts'
import { findTool } from '../../support/requirements.ts'
import { Cloud } from './cloud.ts'
import { createAdministrator } from './first-administrator.ts'
import { requestLine, trafficTable } from './traffic.ts'

const HELP = `npm run cloud -- [options]

  --pull s3|edge       where clients fetch blobs (default: s3)
  --relay on|auto|off  relay for clients that send a layer in one PATCH (default: off; without a value: on);
                       auto: on an EC2 instance that is stopped while idle and boots in 20 s
  --auth               requires logins, and creates a first administrator
  --port <number>      port of the registry (default: 5001; 0: any free port)
  --head counted|said  Content-Length of a HEAD response from API Gateway (default: counted)
  --event-delay <ms>   delay of S3 events (default: 1000)
  --event-copies <n>   deliveries of each S3 event (default: 2; 0: all events are lost)
  --log                prints a line for each request, with its path

Starts the deployed registry on this machine, without AWS: docs/emulated-cloud.md`

const RELAYS = ['on', 'auto', 'off'] as const

/** Interval of the garbage collection, in milliseconds. A deployment collects every hour. */
const COLLECTION_INTERVAL_MS = 5 * 60_000

const RELAY_NOTES = {
  on: 'on',
  auto: 'auto: the first push that needs it waits for its boot of 20 s',
  off: 'off: layers above 4 MiB need a client that sends them in one PUT, or in chunks',
} as const

const options = readOptions()
if (!hasDynamoDBLocal) end('DynamoDB Local is missing; run .ci/dynamodb/build (needs Maven and Java)', 1)
if (!findTool('versitygw')) end('versitygw is missing; run .ci/s3/build (needs Go)', 1)

const relay = options.relay === 'auto' ? 'auto' : options.relay === 'on'
const starting = Cloud.start({ ...options, relay })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
const cloud = await starting.catch(error => end(`the emulated cloud does not start: ${error.message}`, 1))
cloud.events.delivery = options.delivery
if (options.log) cloud.cloudfront.onRequest = request => console.log(requestLine(request))
// A run that fails is made up for by the next one, as on AWS.
setInterval(() => cloud.collector.invoke({}).catch(() => {}), COLLECTION_INTERVAL_MS)
const login =
  options.auth === 'on'
    ? `  echo ${await createAdministrator(cloud)} | docker login --username admin --password-stdin ${cloud.host}\n`
    : ''
console.log(`Longshore, as deployed: ${cloud.origin}/v2/

${login}  docker push ${cloud.host}/<repository>:<tag>

  pulls   ${options.pull === 'edge' ? 'through CloudFront' : 'from S3, by presigned URLs'}
  relay   ${RELAY_NOTES[options.relay]}
  events  ${options.delivery.copies} of each direct upload, after ${options.delivery.delay} ms
  API     http://127.0.0.1:${cloud.gateway.port} (for npm run smoke -- ${cloud.origin} --api …)

Ctrl-C ends it and deletes everything that was pushed.`)

/** Ends everything that was started, also during the start. */
async function stop(): Promise<never> {
  const started = await starting.catch(() => undefined)
  if (started) console.log(`\n${trafficTable(started.cloudfront.requests)}`)
  await started?.stop()
  process.exit(0)
}

function readOptions() {
  try {
    const { values } = parseArgs({
      args: withRelayValue(process.argv.slice(2)),
      options: {
        pull: { type: 'string', default: 's3' },
        relay: { type: 'string', default: 'off' },
        auth: { type: 'boolean', default: false },
        port: { type: 'string', default: '5001' },
        head: { type: 'string', default: 'counted' },
        'event-delay': { type: 'string', default: '1000' },
        'event-copies': { type: 'string', default: '2' },
        log: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) end(HELP, 0)
    return {
      pull: oneOf('pull', values.pull, ['s3', 'edge']),
      headLength: oneOf('head', values.head, ['counted', 'said']),
      relay: oneOf('relay', values.relay, RELAYS),
      auth: oneOf('auth', values.auth ? 'on' : 'off', ['on', 'off']),
      log: values.log,
      port: numberIn('port', values.port, 65_535),
      delivery: {
        delay: numberIn('event-delay', values['event-delay'], 3_600_000),
        copies: numberIn('event-copies', values['event-copies'], 10),
      },
    }
  } catch (error) {
    end(`${(error as Error).message}\n\n${HELP}`, 2)
  }
}

/** `--relay` without a value means `--relay=on`. */
function withRelayValue(args: readonly string[]): string[] {
  return args.map((arg, index) => {
    const hasValue = RELAYS.some(value => value === args[index + 1])
    return arg === '--relay' && !hasValue ? '--relay=on' : arg
  })
}

function oneOf<T extends string>(name: string, value: string, choices: readonly T[]): T {
  const chosen = choices.find(choice => choice === value)
  if (chosen === undefined) throw new Error(`--${name} must be one of ${choices.join(', ')}`)
  return chosen
}

function numberIn(name: string, value: string, max: number): number {
  const number = Number(value)
  if (!/^\d+$/.test(value) || number > max) throw new Error(`--${name} must be a number from 0 to ${max}`)
  return number
}

function end(message: string, code: number): never {
  if (code === 0) console.log(message)
  else console.error(`longshore: ${message}`)
  process.exit(code)
}
