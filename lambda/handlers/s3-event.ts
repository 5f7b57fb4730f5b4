import type { S3Event } from 'aws-lambda'
import { readAwsConfig } from '../aws/config.ts'
import { writeRecord } from '../aws/log.ts'
import { openAwsRegistry } from '../aws/registry.ts'
import { faultRecord } from '../http/access-log.ts'
import { parseDirectObject } from '../store/direct-object.ts'

const { directUploads } = openAwsRegistry({
  config: readAwsConfig(process.env),
  secrets: () => {
    throw new Error('the function for S3 events signs no URLs')
  },
  readLimit: Number.POSITIVE_INFINITY,
})

/**
 * The Lambda function that S3 calls when a direct upload has written an object. S3 may deliver an event twice, late or
 * never. It repeats the event when the function fails. The test event of a new notification has no records.
 */
export async function handler({ Records = [] }: Partial<S3Event>): Promise<void> {
  const keys = Records.map(({ s3 }) => decodeURIComponent(s3.object.key.replaceAll('+', ' ')))
  const adoptions = keys.map(async key => {
    const session = parseDirectObject(key)
    if (session) await directUploads.adopt(session)
  })
  const failed = (await Promise.allSettled(adoptions)).filter(result => result.status === 'rejected')
  for (const { reason } of failed) writeRecord(faultRecord(Date.now(), reason))
  if (failed.length > 0)
    throw new Error(`${failed.length} of ${keys.length} direct uploads could not be adopted`)
}
