import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { CHECKS } from './checks/index.ts'
import { Client } from './client.ts'
import { CheckFailed, type Context, type SmokeContext } from './context.ts'
import { expectReady, inspect } from './inspect.ts'

const HELP = `npm run smoke -- https://registry.example [options]

Checks on a deployed registry what its design leans on and no document of AWS says.
Pushes about 60 MiB into a repository of its own, and deletes it again.

  --user <name>   a login that may push and delete, where one is needed; its password is in LONGSHORE_PASSWORD
  --relay         the deployment must have a relay; by default the test finds out
  --large <GiB>   pushes one blob of that size too, at most 5, to see what CloudFront takes
  --api <url>     the address of the API itself, https://….execute-api.….amazonaws.com

Exit code 0: all as it should be; 1: something differs, or nothing can be checked; 2: wrong arguments.`

/** Advice when a request failed, which says nothing about the check itself. */
const AGAIN = 'run the test again; if it still fails, look into the logs of the API'

const { values, positionals } = read()
const [origin = ''] = positionals
if (values.help) end(HELP, 0)
if (!/^https?:\/\/[^/]+\/?$/.test(origin)) end(HELP, 2)

const { user, api } = values
const large = values.large === undefined ? undefined : Number(values.large)
if (large !== undefined && !(large > 0 && large <= 5)) end('--large: a number of GiB, at most 5', 2)
const { LONGSHORE_PASSWORD: password } = process.env
if (user && !password) end('the password is missing: set LONGSHORE_PASSWORD', 2)
const client = new Client(origin, user && password ? { user, password } : undefined)
const path = `/v2/smoke/${randomUUID()}`
const context: Context = { client, path, blobs: [] }

const started = performance.now()
await expectReady(client, path, user).catch(stop)
const first = performance.now() - started
const found = await inspect(context).catch(stop)
const relay = values.relay || found.relay
const bench: SmokeContext = { ...context, api, relay, large, hasLogin: user !== undefined }
console.log(`deployed: pull=${found.pull}, ${found.relay ? 'a relay' : 'no relay'}\n`)
let differences = 0
for (const { name, run, otherwise } of CHECKS) {
  try {
    const seen = await run(bench)
    console.log(seen === undefined ? `  –  ${name}: does not apply` : `  ✓  ${name}: ${seen}`)
  } catch (error) {
    differences++
    console.log(`  ✗  ${name}`)
    console.log(`       seen: ${shown(error)}`)
    console.log(`       what to do: ${error instanceof CheckFailed ? otherwise : AGAIN}`)
  }
}
await cleanUp()
const again = performance.now()
await client.ask('GET', '/v2/')
console.log(`\nfirst answers ${Math.round(first)} ms, the last ${Math.round(performance.now() - again)} ms`)
console.log(differences === 0 ? 'every check passed' : `${differences} of ${CHECKS.length} checks failed`)
process.exit(differences === 0 ? 0 : 1)

async function stop(error: unknown): Promise<never> {
  if (context.blobs.length > 0) await cleanUp().catch(() => {})
  return end(shown(error), 1)
}

function read() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        user: { type: 'string' },
        relay: { type: 'boolean' },
        api: { type: 'string' },
        large: { type: 'string' },
        help: { type: 'boolean' },
      },
    })
  } catch (error) {
    return end(`${(error as Error).message}\n\n${HELP}`, 2)
  }
}

/** Removes the signatures of signed URLs, which stay valid for some time, from the output. */
function shown(error: unknown): string {
  const text = error instanceof CheckFailed ? error.message : String((error as Error).message)
  return text
    .replace(/((?:direct=|\/pull\/)\d+\.)[\w-]+/g, '$1…')
    .replace(/(X-Amz-[A-Za-z-]+=)[^&\s"]+/g, '$1…')
}

async function cleanUp(): Promise<void> {
  const { path, blobs } = context
  const { headers } = await client.ask('HEAD', `${path}/manifests/smoke`)
  const digest = headers['docker-content-digest']
  if (digest) await client.ask('DELETE', `${path}/manifests/${digest}`)
  for (const blob of blobs) await client.ask('DELETE', `${path}/blobs/${blob}`)
}

function end(message: string, code: number): never {
  if (code === 0) console.log(message)
  else console.error(message === HELP ? message : `longshore: ${message}`)
  process.exit(code)
}
