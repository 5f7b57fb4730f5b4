import { writeFileSync } from 'node:fs'
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { sendSigned } from '../lambda/aws/signed-request.ts'
import { AMIS_FILE, type Amis, readAmis } from './amis.ts'
import { type AmiSource, newestAmis, newestPackages } from './newest-amis.ts'

/*
 * `npm run refresh-amis` pins the newest images of Amazon Linux 2023, and the release of their packages, in infra/amis.json. The next
 * deployment replaces the relay's instance. `npm run refresh-amis -- --packages` changes the release of the packages only: instances
 * upgrade when they next stop, and none is replaced. Both need AWS credentials that may call ssm:GetParameter and ec2:DescribeImages.
 */

const PARAMETER = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64'
/** The region whose image names the release. */
const HOME = 'us-east-1'
const TIMEOUT_MS = 10_000

const source: AmiSource = {
  async idIn(region) {
    const { Parameter } = await new SSMClient({ region }).send(new GetParameterCommand({ Name: PARAMETER }))
    return Parameter?.Value ?? ''
  },
  async nameOf(id) {
    const body = new URLSearchParams({ Action: 'DescribeImages', Version: '2016-11-15', 'ImageId.1': id })
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
    const request = { service: 'ec2', region: HOME, headers, body: body.toString(), timeoutMs: TIMEOUT_MS }
    const credentials = await new SSMClient({ region: HOME }).config.credentials()
    const { status, text } = await sendSigned(request, credentials)
    const name = /<name>(al2023-[^<]*)<\/name>/.exec(text)?.[1]
    if (status !== 200 || name === undefined) throw new Error(`EC2 refused DescribeImages: ${status}`)
    return name
  },
}

try {
  await refresh()
} catch (error) {
  console.error(`longshore: cannot refresh infra/amis.json: ${(error as Error).message}`)
  process.exitCode = 1
}

async function refresh(): Promise<void> {
  const pinned = readAmis()
  if (process.argv.includes('--packages')) {
    write({ ...pinned, packages: await newestPackages(source, HOME) })
    return
  }
  const { amis, failures } = await newestAmis(pinned, source, HOME)
  const date = new Date().toISOString().slice(0, 10)
  write({ ...amis, source: `Values of the public SSM parameter ${PARAMETER} on ${date}.` })
  for (const [region, reason] of failures) console.error(`longshore: ${region} keeps its image: ${reason}`)
}

function write(amis: Amis): void {
  writeFileSync(AMIS_FILE, `${JSON.stringify(amis, null, 2)}\n`)
}
