import type { S3Event } from 'aws-lambda'
import { readAwsConfig } from '../aws/config.ts'
import { writeRecord } from '../aws/log.ts'
import { openAwsRegistry } from '../aws/registry.ts'
import { faultRecord } from '../http/access-log.ts'
import { parseDirectObject } from '../store/direct-object.ts'

const { directUploads } = openAwsRegistry({
  config: readAwsConfig(process.env),
  secrets: () => {
    throw new Error('a claim gives out no links')
  },
  readLimit: Number.POSITIVE_INFINITY,
})

/**
 * Called by S3 when a client has written a blob, and again when it fails. S3 may send an event twice, late, or never; the
 * event that tests the connection has no records.
 */
export async function handler({ Records = [] }: Partial<S3Event>): Promise<void> {
  const keys = Records.map(({ s3 }) => decodeURIComponent(s3.object.key.replaceAll('+', ' ')))
  const claims = keys.map(async key => {
    const session = parseDirectObject(key)
    if (session) await directUploads.adopt(session.name, session.upload)
  })
  const failed = (await Promise.allSettled(claims)).filter(claim => claim.status === 'rejected')
  for (const { reason } of failed) writeRecord(faultRecord(Date.now(), reason))
  if (failed.length > 0) throw new Error(`${failed.length} of ${keys.length} claims failed`)
}
