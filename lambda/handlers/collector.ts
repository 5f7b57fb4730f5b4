import type { Context } from 'aws-lambda'
import { readAwsConfig } from '../aws/config.ts'
import { writeRecord } from '../aws/log.ts'
import { openAwsRegistry } from '../aws/registry.ts'
import { stopRunawayRelay } from '../aws/relay/guard.ts'
import { faultRecord } from '../http/access-log.ts'

const { collector, relay } = openAwsRegistry({
  config: readAwsConfig(process.env),
  secrets: () => {
    throw new Error('the collector signs no URLs')
  },
  readLimit: Number.POSITIVE_INFINITY,
})

/** The collector begins no further row when less time than this remains. */
const MARGIN_MS = 60_000

/** The Lambda function of the hourly schedule. The next run processes the rows that this one does not reach. */
export async function handler(_: unknown, context: Pick<Context, 'getRemainingTimeInMillis'>): Promise<void> {
  const { done, failures: failed } = await collector.run(() => context.getRemainingTimeInMillis() > MARGIN_MS)
  const failures = [...failed]
  writeRecord({ time: new Date().toISOString(), level: 'info', collected: done, failed: failed.length })
  await checkRelay().catch(error => void failures.push(error))
  for (const failure of failures) writeRecord(faultRecord(Date.now(), failure))
  if (failures.length > 0) throw new Error(`the collector failed ${failures.length} times`)
}

/** Stops a relay that runs without serving. @throws {Ec2Error} */
async function checkRelay(): Promise<void> {
  if (!relay) return
  const stopped = await stopRunawayRelay(relay.rows, relay.ec2, Date.now())
  if (stopped)
    writeRecord({
      time: new Date().toISOString(),
      level: 'warn',
      message: 'stopped a relay that did not serve',
    })
}
