import { execFile, execFileSync } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { reportRows, type Sample, table } from './report.ts'
import {
  cpuSeconds,
  hasProgram,
  peakMemory,
  type Server,
  startDockerRegistry,
  startLongshore,
} from './servers.ts'
import { type Layer, pull, push } from './transfer.ts'

/** Compares Longshore with Debian's docker-registry. README.md in this folder describes the method. */

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const CONNECTIONS = 32
const CLIENTS = 5

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

if (!hasProgram('curl')) throw new Error('the benchmark needs curl')
const starts = hasProgram('docker-registry') ? [startLongshore, startDockerRegistry] : [startLongshore]
if (starts.length === 1) console.log('docker-registry is not installed: only Longshore is measured.\n')

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
    rows.push(
      ...reportRows(
        task,
        'MB/s',
        await measureRounds((server, round) => work(server, round).then(() => size)),
      ),
    )
  for (const server of servers) await pushManifest(server)
  rows.push(
    ...reportRows(
      `manifest by tag, ${CONNECTIONS} connections`,
      'req/s',
      await measureRounds(countManifests),
    ),
  )
  const oneClient = servers.map(peakMemory)

  for (const [task, work] of [
    [`${CLIENTS} pushes at once`, (url: string, i: number) => push(url, `clients/${i}`, layer, 'PATCH')],
    [`${CLIENTS} pulls at once`, (url: string, i: number) => pull(url, `clients/${i}`, layer)],
  ] as const)
    rows.push(
      ...reportRows(
        task,
        'MB/s',
        await measureRounds(async ({ url }) => {
          await Promise.all(Array.from({ length: CLIENTS }, (_, i) => work(url, i)))
          return CLIENTS * size
        }, 1),
      ),
    )

  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model}, ${rounds} rounds\n`,
  )
  console.log(table(['task', 'registry', 'speed', 'CPU of the server'], rows))
  const memory = servers.map((server, i) => [
    server.name,
    megabytes(oneClient[i] ?? 0),
    megabytes(peakMemory(server)),
  ])
  console.log(`\n${table(['peak memory', 'one client', `${CLIENTS} clients`], memory)}`)
} finally {
  for (const server of servers) await server.stop()
  rmSync(folder, { recursive: true })
}

/**
 * Runs a task on the servers alternately, so that changes in the machine's speed affect both.
 * @param task returns its work, as in {@link Sample}
 */
async function measureRounds(
  task: (server: Server, round: number) => Promise<number>,
  times = rounds,
): Promise<Map<string, Sample[]>> {
  const samples = new Map(servers.map(({ name }) => [name, [] as Sample[]]))
  for (let round = 0; round < times; round++)
    for (const server of servers) {
      execFileSync('sync') // writes of the run before must not count
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

/** Pushes a manifest of a few kilobytes, the usual size. All of its layers are the same blob. */
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
  const response = await fetch(`${url}/v2/app/manifests/v1`, {
    method: 'PUT',
    headers: { 'content-type': MANIFEST },
    body: JSON.stringify(document),
  })
  if (response.status !== 201) throw new Error(`manifest: ${response.status} ${await response.text()}`)
}

function makeLayer(file: string): Layer {
  function* pieces() {
    const piece = Buffer.alloc(2 ** 20)
    for (let left = size; left > 0; left -= piece.length) yield randomFillSync(piece)
  }
  return { file, digest: makeFile(file, pieces()) }
}

/** Writes a file. @returns the digest of its bytes */
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
