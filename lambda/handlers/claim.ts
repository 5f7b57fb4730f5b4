import { faultRecord } from '../http/access-log.ts'
import { parseDirectObject } from '../store/direct-object.ts'
import { readConfig } from './config.ts'
import { openDeployed } from './deployed.ts'
import { writeRecord } from './log.ts'

/** What S3 tells of objects that were made, as far as we read it. It may tell twice, late, or never. */
interface S3Event {
  /** Absent in the event by which S3 tries the connection. */
  readonly Records?: readonly { readonly s3: { readonly object: { readonly key: string } } }[]
}

const { directUploads } = openDeployed({
  config: readConfig(process.env),
  secrets: () => {
    throw new Error('a claim gives out no links')
  },
  readLimit: Number.POSITIVE_INFINITY,
})

/** Called by S3 when a client has written a blob. When it fails it is called again. */
export async function handler({ Records = [] }: S3Event): Promise<void> {
  const keys = Records.map(({ s3 }) => decodeURIComponent(s3.object.key.replaceAll('+', ' ')))
  const claims = keys.map(async key => {
    const session = parseDirectObject(key)
    if (session) await directUploads.claim(session.name, session.upload)
  })
  const failed = (await Promise.allSettled(claims)).filter(claim => claim.status === 'rejected')
  for (const { reason } of failed) writeRecord(faultRecord(Date.now(), reason))
  if (failed.length > 0) throw new Error(`${failed.length} of ${keys.length} claims failed`)
}
