import type { Context } from 'aws-lambda'
import { readAwsConfig } from '../aws/config.ts'
import { writeRecord } from '../aws/log.ts'
import { openAwsRegistry } from '../aws/registry.ts'
import { faultRecord } from '../http/access-log.ts'

const { collector } = openAwsRegistry({
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
  const { done, failures } = await collector.run(() => context.getRemainingTimeInMillis() > MARGIN_MS)
  writeRecord({ time: new Date().toISOString(), level: 'info', collected: done, failed: failures.length })
  for (const failure of failures) writeRecord(faultRecord(Date.now(), failure))
  if (failures.length > 0) throw new Error(`the collector failed on ${failures.length} rows`)
}
