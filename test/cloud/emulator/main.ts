import { parseArgs } from 'node:util'
import { hasDynamoDBLocal } from '../../support/dynamodb-local.ts'
import { findTool } from '../../support/requirements.ts'
import { Cloud } from './cloud.ts'

const HELP = `npm run cloud -- [--pull s3|edge] [--relay] [--port 5001]

Starts the deployed registry on this machine, without AWS: docs/emulated-cloud.md`

const { values } = parseArgs({
  options: {
    pull: { type: 'string', default: 's3' },
    relay: { type: 'boolean', default: false },
    port: { type: 'string', default: '5001' },
    help: { type: 'boolean', default: false },
  },
})
const { pull, relay, port, help } = values
if (help) end(HELP, 0)
if (pull !== 's3' && pull !== 'edge') end(`--pull is s3 or edge\n\n${HELP}`, 2)
if (!hasDynamoDBLocal) end('DynamoDB Local is not there: run .ci/dynamodb/build (needs Maven and Java)', 1)
if (!findTool('versitygw')) end('versitygw is not there: run .ci/s3/build (needs Go)', 1)

const cloud = await Cloud.start({ pull, relay, port: Number(port) })
console.log(`Longshore, as deployed: http://${cloud.host}/v2/

  docker push ${cloud.host}/<repository>:<tag>

  pulls   ${pull === 'edge' ? 'through CloudFront' : 'from S3, by presigned URLs'}
  relay   ${relay ? 'on' : 'off: layers above 4 MiB need a client that sends them in one PUT, or in chunks'}

Ctrl-C ends it, and everything that was pushed is gone.`)
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void cloud.stop().then(() => process.exit(0)))

function end(message: string, code: number): never {
  console[code === 0 ? 'log' : 'error'](message)
  process.exit(code)
}
