import { execFile, execFileSync } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { lines, type Sample, table } from './report.ts'
import {
  cpuSeconds,
  hasProgram,
  peakMemory,
  type Server,
  startDockerRegistry,
  startLongshore,
} from './servers.ts'
import { type Layer, pull, push } from './transfer.ts'

/** Longshore beside Debian's docker-registry, in turn, in one run. See README.md beside this file. */

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const CONNECTIONS = 32
const CROWD = 5

const HELP = `Usage: npm run bench -- [flags]

  --rounds <number>   rounds of each measurement (5)
  --size <MiB>        size of the layer (1024)
  --seconds <number>  length of each measurement of requests (5)`

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    size: { type: 'string', default: '1024' },
    seconds: { type: 'string', default: '5' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (options.help) {
  console.log(HELP)
  process.exit()
}
const rounds = Number(options.rounds)
const size = Number(options.size) * 2 ** 20

if (!hasProgram('curl')) throw new Error('the bench needs curl, which takes little of the processor')
const starts = hasProgram('docker-registry') ? [startLongshore, startDockerRegistry] : [startLongshore]
if (starts.length === 1)
  console.log('docker-registry is not installed: figures of Longshore alone, no ratios.\n')

const folder = mkdtempSync(join(tmpdir(), 'longshore-bench-'))
const servers: Server[] = []
try {
  const layer = makeLayer(join(folder, 'layer'))
  for (const [i, start] of starts.entries()) {
    mkdirSync(join(folder, String(i)))
    servers.push(await start(join(folder, String(i))))
  }
  const transfers = [
    ['push, one PATCH', ({ url }: Server, round: number) => push(url, `patch/${round}`, layer, 'PATCH')],
    ['push, one PUT', ({ url }: Server, round: number) => push(url, `put/${round}`, layer, 'PUT')],
    ['pull', ({ url }: Server, round: number) => pull(url, `put/${round}`, layer)],
  ] as const

  const rows: string[][] = []
  for (const [task, work] of transfers)
    rows.push(...lines(task, 'MB/s', await inTurn((server, round) => work(server, round).then(() => size))))
  for (const server of servers) await pushManifest(server)
  rows.push(...lines(`manifest by tag, ${CONNECTIONS} connections`, 'req/s', await inTurn(countManifests)))
  const alone = servers.map(peakMemory)

  for (const [task, work] of [
    [`${CROWD} pushes at once`, (url: string, i: number) => push(url, `crowd/${i}`, layer, 'PATCH')],
    [`${CROWD} pulls at once`, (url: string, i: number) => pull(url, `crowd/${i}`, layer)],
  ] as const)
    rows.push(
      ...lines(
        task,
        'MB/s',
        await inTurn(async ({ url }) => {
          await Promise.all(Array.from({ length: CROWD }, (_, i) => work(url, i)))
          return CROWD * size
        }, 1),
      ),
    )

  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model}, ${rounds} rounds\n`,
  )
  console.log(table(['task', 'registry', 'speed', 'CPU of the server'], rows))
  const memory = servers.map((server, i) => [
    server.name,
    megabytes(alone[i] ?? 0),
    megabytes(peakMemory(server)),
  ])
  console.log(`\n${table(['peak memory', 'one client', `${CROWD} clients`], memory)}`)
} finally {
  for (const server of servers) await server.stop()
  rmSync(folder, { recursive: true })
}

/** Lets each server do the task, one after the other, round by round, so that both see the machine at its best and worst. */
async function inTurn(
  task: (server: Server, round: number) => Promise<number>,
  times = rounds,
): Promise<Map<string, Sample[]>> {
  const samples = new Map(servers.map(({ name }) => [name, [] as Sample[]]))
  for (let round = 0; round < times; round++)
    for (const server of servers) {
      execFileSync('sync') // what the one before left to be written is not this one's
      const [began, cpu] = [performance.now(), cpuSeconds(server)]
      const work = await task(server, round)
      const seconds = (performance.now() - began) / 1000
      samples.get(server.name)?.push({ work, seconds, cpu: cpuSeconds(server) - cpu })
    }
  return samples
}

async function countManifests({ url }: Server): Promise<number> {
  const client = new URL('requests.ts', import.meta.url).pathname
  const args = [client, `${url}/v2/app/manifests/v1`, String(CONNECTIONS), options.seconds]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return Number(stdout)
}

/** An image of some kilobytes, as most are: its layers are one blob, many times over. */
async function pushManifest({ url }: Server): Promise<void> {
  const file = join(folder, 'config')
  const config = makeFile(file, [Buffer.from('{}')])
  await push(url, 'app', { file, digest: config }, 'PUT')
  const blob = { digest: config, size: 2 }
  const layers = Array.from({ length: 12 }, () => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    ...blob,
  }))
  const document = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...blob },
    layers,
  }
  const answer = await fetch(`${url}/v2/app/manifests/v1`, {
    method: 'PUT',
    headers: { 'content-type': MANIFEST },
    body: JSON.stringify(document),
  })
  if (answer.status !== 201) throw new Error(`manifest: ${answer.status} ${await answer.text()}`)
}

function makeLayer(file: string): Layer {
  function* pieces() {
    const piece = Buffer.alloc(2 ** 20)
    for (let left = size; left > 0; left -= piece.length) yield randomFillSync(piece)
  }
  return { file, digest: makeFile(file, pieces()) }
}

/** @returns its digest */
function makeFile(file: string, pieces: Iterable<Uint8Array>): string {
  const hash = createHash('sha256')
  const handle = openSync(file, 'w')
  for (const piece of pieces) {
    hash.update(piece)
    writeSync(handle, piece)
  }
  closeSync(handle)
  return `sha256:${hash.digest('hex')}`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}
