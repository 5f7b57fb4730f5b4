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

/** No further row is processed when less time than this remains, in milliseconds. */
const MARGIN = 60_000

/** The Lambda function of the hourly schedule. Rows that it does not reach are left to the next run. */
export async function handler(_: unknown, context: Pick<Context, 'getRemainingTimeInMillis'>): Promise<void> {
  const { done, failures } = await collector.run(() => context.getRemainingTimeInMillis() > MARGIN)
  writeRecord({ time: new Date().toISOString(), level: 'info', collected: done, failed: failures.length })
  for (const failure of failures) writeRecord(faultRecord(Date.now(), failure))
  if (failures.length > 0) throw new Error(`the collector failed on ${failures.length} rows`)
}
