import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { CHECK_GROUPS } from './checks/index.ts'
import { Client } from './client.ts'
import { type Check, CheckFailed, type Context, type SmokeContext } from './context.ts'
import { edgeComputeChecks } from './edge-compute.ts'
import { describeDeployment, inspect } from './inspect.ts'
import { expectReady } from './ready.ts'

const HELP = `npm run smoke -- https://registry.example [options]

Verifies the AWS behavior that Longshore relies on and AWS does not document, on a deployed registry.
Pushes about 60 MiB to a new repository, and deletes it afterwards.

  --user <name>   logs in as this user, who must be allowed to push and delete; the password is in LONGSHORE_PASSWORD
  --relay         requires a relay; without the option, the relay is checked if the deployment has one
  --large <GiB>   also pushes one blob of this size, at most 5, to verify that CloudFront accepts it
  --test-function <name>
                  also measures the time that the function <name>-viewer-request-<region> needs, by the AWS CLI
  --api <url>     also verifies that the API refuses direct requests: the stack's output ApiAddress

Exit codes: 0: every check passed; 1: a check failed, or no check could run; 2: wrong arguments.`

/** Advice when a request got no response, which says nothing about the check itself. */
const RETRY_ADVICE = 'run the smoke test again; if it still fails, look into the log groups of the API'

const { values, positionals } = readArguments()
const [origin = ''] = positionals
if (values.help) exit(HELP, 0)
if (!/^https?:\/\/[^/]+\/?$/.test(origin)) exit(HELP, 2)

const { user, api } = values
const large = values.large === undefined ? undefined : Number(values.large)
if (large !== undefined && !(large > 0 && large <= 5)) exit('--large must be a number of GiB, at most 5', 2)
const { LONGSHORE_PASSWORD: password } = process.env
if (user && !password) exit('the password is missing: set LONGSHORE_PASSWORD', 2)
const client = new Client(origin, user && password ? { user, password } : undefined)
const path = `/v2/smoke/${randomUUID()}`
const context: Context = { client, path, blobs: [] }

const started = performance.now()
await expectReady(client, path, user).catch(stop)
const firstMs = performance.now() - started
const deployment = await inspect(context).catch(stop)
console.log(`deployed: ${describeDeployment(deployment)}\n`)
const { run, failed } = await runChecks({
  ...context,
  ...deployment,
  relay: values.relay || deployment.relay,
  api,
  large,
  hasLogin: user !== undefined,
})
await cleanUp()
const again = performance.now()
await client.request('GET', '/v2/')
const lastMs = performance.now() - again
console.log(`\nfirst response after ${Math.round(firstMs)} ms, last after ${Math.round(lastMs)} ms`)
console.log(failed === 0 ? 'every check passed' : `${failed} of ${run} checks failed`)
process.exit(failed === 0 ? 0 : 1)

async function runChecks(smoke: SmokeContext): Promise<{ run: number; failed: number }> {
  const count = { run: 0, failed: 0 }
  const edgeFunction = values['test-function']
  const groups = edgeFunction ? [...CHECK_GROUPS, edgeComputeChecks(edgeFunction)] : CHECK_GROUPS
  for (const group of groups) {
    let obstacle: Check | undefined
    for (const check of group) {
      if (obstacle) {
        console.log(`  –  ${check.name}: not checked, because "${obstacle.name}" failed`)
        continue
      }
      count.run++
      if (await passes(check, smoke)) continue
      count.failed++
      if (check.isPrerequisite) obstacle = check
    }
  }
  return count
}

/** Runs one check and prints its result. */
async function passes({ name, run, advice }: Check, smoke: SmokeContext): Promise<boolean> {
  try {
    const observed = await run(smoke)
    console.log(observed === undefined ? `  –  ${name}: does not apply` : `  ✓  ${name}: ${observed}`)
    return true
  } catch (error) {
    console.log(`  ✗  ${name}`)
    console.log(`       seen: ${describeError(error)}`)
    console.log(`       what to do: ${error instanceof CheckFailed ? advice : RETRY_ADVICE}`)
    return false
  }
}

async function stop(error: unknown): Promise<never> {
  if (context.blobs.length > 0) await cleanUp().catch(() => {})
  return exit(describeError(error), 1)
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        user: { type: 'string' },
        relay: { type: 'boolean' },
        api: { type: 'string' },
        large: { type: 'string' },
        'test-function': { type: 'string' },
        help: { type: 'boolean' },
      },
    })
  } catch (error) {
    return exit(`${(error as Error).message}\n\n${HELP}`, 2)
  }
}

/** The message without the signatures of signed URLs, which are valid for some time. */
function describeError(error: unknown): string {
  return String((error as Error).message)
    .replace(/((?:(?:direct|stream)=|\/pull\/)\d+\.)[\w-]+/g, '$1…')
    .replace(/(X-Amz-[A-Za-z-]+=)[^&\s"]+/g, '$1…')
}

async function cleanUp(): Promise<void> {
  const { headers } = await client.request('HEAD', `${path}/manifests/smoke`)
  const digest = headers['docker-content-digest']
  if (digest) await client.request('DELETE', `${path}/manifests/${digest}`)
  for (const blob of context.blobs) await client.request('DELETE', `${path}/blobs/${blob}`)
}

function exit(message: string, code: number): never {
  if (code === 0) console.log(message)
  else console.error(message === HELP ? message : `longshore: ${message}`)
  process.exit(code)
}
