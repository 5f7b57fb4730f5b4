import { execFile } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { type BundleFile, bundle } from '../infra/bundle.ts'
import { Keyring } from '../lambda/auth/tokens/keyring.ts'
import { issueToken } from '../lambda/auth/tokens/tokens.ts'
import type { GatewayEvent } from '../lambda/http/api-gateway.ts'
import { digestOf } from '../lambda/protocol/digest.ts'
import type { RepositoryName } from '../lambda/protocol/name.ts'
import type { Tag } from '../lambda/protocol/reference.ts'
import { keys } from '../lambda/store/keys.ts'
import type { AccountRow, LinkRow, ManifestRow, TagRow } from '../lambda/store/records.ts'
import { Aws } from './aws.ts'
import { median, table } from './report.ts'

/** Measures cold starts of the deployed functions. README.md in this folder describes the method. */

const HANDLERS = join(import.meta.dirname, '../lambda/handlers')
const COLD_PROCESS = join(import.meta.dirname, 'cold-process.js')

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '21' } } })
const rounds = Number(options.rounds)

const name = 'app' as RepositoryName
const object = randomBytes(300_000)
const digest = digestOf('sha256', createHash('sha256').update(object).digest('hex'))
const content = { mediaType: 'application/vnd.oci.image.index.v1+json', size: object.length }
const tag: TagRow = { ...keys.tag(name, 'v1' as Tag), ...content, digest, pushed: 0 }
const manifest: ManifestRow = {
  ...keys.manifest(name, digest),
  ...content,
  object: randomUUID(),
  push: randomUUID(),
  pushed: 0,
  tagging: 0,
}
const link: LinkRow = {
  ...keys.link(name, digest),
  object: randomUUID(),
  size: object.length,
  touched: Date.now(),
  touches: 0,
}
const account: AccountRow = {
  ...keys.account('ann'),
  ...{ kind: 'user', secret: '', admin: true, created: 0, generation: 0 },
}
const random = () => randomBytes(32).toString('base64url')
const secrets = { edgeKeys: [random()], tokenKeys: [random()], header: random() }
const host = 'registry.example'
const token = await issueToken(
  new Keyring(secrets.tokenKeys),
  {
    holder: { account: 'ann', generation: 0 },
    scopes: [{ type: 'repository', name, actions: ['pull'] }],
  },
  { service: host, now: Date.now() },
)

const requests = {
  'HEAD of a manifest, by tag': requestOf('HEAD', '/v2/app/manifests/v1'),
  'GET of a blob, redirected to S3': requestOf('GET', `/v2/app/blobs/${digest}`),
  'GET of a manifest that is in S3': requestOf('GET', `/v2/app/manifests/${digest}`),
}
const s3Event = { Records: [{ s3: { object: { key: `direct/${randomUUID()}/app` } } }] }

interface Case {
  readonly handler: string
  readonly event: string
  readonly splitting: boolean
  readonly input: unknown
}

const cases: readonly Case[] = [
  ...Object.entries(requests).map(([event, input]) => ({ handler: 'api', event, splitting: true, input })),
  ...Object.entries(requests).map(([event, input]) => ({ handler: 'api', event, splitting: false, input })),
  { handler: 's3-event', event: 'an object that does not exist', splitting: true, input: s3Event },
  { handler: 'collector', event: 'no work', splitting: true, input: {} },
]

const folder = mkdtempSync(join(tmpdir(), 'longshore-cold-'))
const aws = await Aws.start({
  rows: [tag, manifest, link, account],
  object,
  secrets: JSON.stringify(secrets),
})
try {
  const names = ['api', 's3-event', 'collector', 'edge-secret', 'first-administrator']
  const sizes = [...names.map(handler => measureBundle(handler, true)), measureBundle('api', false)]
  const times = await measureRounds()
  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model}, Node ${process.versions.node}, ${rounds} rounds\n`,
  )
  console.log(table(['bundle', 'read at the start', 'total', 'files'], sizes))
  console.log(`\n${table(['handler', 'event', 'import', 'first', 'sum', 'second'], times)}`)
} finally {
  aws.stop()
  rmSync(folder, { recursive: true })
}

function measureBundle(handler: string, splitting: boolean): string[] {
  const files = bundle(join(HANDLERS, `${handler}.ts`), folderOf(handler, splitting), { splitting })
  const start = files.filter(({ atStart }) => atStart)
  return [labelOf(handler, splitting), kilobytes(start), kilobytes(files), String(files.length)]
}

/** Runs the cases alternately, each in a new process, so that changes in the machine's speed affect all cases. */
async function measureRounds(): Promise<string[][]> {
  const samples = cases.map((): number[][] => [])
  for (let round = 0; round < rounds; round++)
    for (const [i, { handler, splitting, input }] of cases.entries()) {
      const file = join(folderOf(handler, splitting), 'index.mjs')
      samples[i]?.push(await startCold(file, [input, input]))
    }
  return cases.map(({ handler, event, splitting }, i) => {
    const all = samples[i] ?? []
    const ms = (of: (times: readonly number[]) => number) => `${median(all.map(of)).toFixed(1)} ms`
    const [load, first, again] = [0, 1, 2].map(at => (times: readonly number[]) => times[at] ?? Number.NaN)
    if (!load || !first || !again) return []
    const sum = (times: readonly number[]) => load(times) + first(times)
    return [labelOf(handler, splitting), event, ms(load), ms(first), ms(sum), ms(again)]
  })
}

/** Loads a bundle in a new process. @returns milliseconds to load the bundle, and for each event */
async function startCold(file: string, events: readonly unknown[]): Promise<number[]> {
  const env = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'key',
    AWS_SESSION_TOKEN: 'token',
    AWS_ENDPOINT_URL_DYNAMODB: aws.url,
    AWS_ENDPOINT_URL_S3: aws.url,
    AWS_ENDPOINT_URL_SSM: aws.url,
    LONGSHORE_TABLE: 'table',
    LONGSHORE_BUCKET: 'bucket',
    LONGSHORE_SECRET: 'secret',
  }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [COLD_PROCESS, file, JSON.stringify(events)],
    {
      env,
    },
  )
  return JSON.parse(stdout.slice(stdout.lastIndexOf('\n')))
}

/** An event of API Gateway for a request through CloudFront. */
function requestOf(method: string, rawPath: string): GatewayEvent {
  return {
    version: '2.0',
    rawPath,
    rawQueryString: '',
    headers: {
      'x-longshore-edge': secrets.header,
      'x-longshore-host': host,
      'x-forwarded-for': '203.0.113.7, 130.176.1.1',
      authorization: `Bearer ${token}`,
    },
    isBase64Encoded: false,
    requestContext: { requestId: randomUUID(), http: { method } },
  }
}

function folderOf(handler: string, splitting: boolean): string {
  return join(folder, labelOf(handler, splitting))
}

function labelOf(handler: string, splitting: boolean): string {
  return splitting ? handler : `${handler}, in one file`
}

function kilobytes(files: readonly BundleFile[]): string {
  return `${(files.reduce((sum, { bytes }) => sum + bytes, 0) / 1000).toFixed(0)} KB`
}
