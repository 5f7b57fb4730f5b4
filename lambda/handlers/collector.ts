import type { Context } from 'aws-lambda'
import { readAwsConfig } from '../aws/config.ts'
import { writeRecord } from '../aws/log.ts'
import { openAwsRegistry } from '../aws/registry.ts'
import { faultRecord } from '../http/access-log.ts'

const { collector } = openAwsRegistry({
  config: readAwsConfig(process.env),
  secrets: () => {
    throw new Error('the collector gives out no links')
  },
  readLimit: Number.POSITIVE_INFINITY,
})

/** So long before the function's end no further row is begun. Milliseconds. */
const MARGIN = 60_000

/** Called by the schedule. What it does not get done it does the next time. */
export async function handler(_: unknown, context: Pick<Context, 'getRemainingTimeInMillis'>): Promise<void> {
  const { done, failures } = await collector.run(() => context.getRemainingTimeInMillis() > MARGIN)
  writeRecord({ time: new Date().toISOString(), level: 'info', collected: done, failed: failures.length })
  for (const failure of failures) writeRecord(faultRecord(Date.now(), failure))
  if (failures.length > 0) throw new Error(`the collector failed on ${failures.length} rows`)
}
