import { partition } from '@aws-sdk/core/client'
import { escapeUri } from '@smithy/core/protocols'

/** The location of a bucket. */
export interface Address {
  readonly bucket: string
  readonly region: string
  /** The URL of another S3 server. Its URLs are path-style. */
  readonly endpoint?: string | undefined
}

/** The URL of an object at the regional host. The global host redirects to it, which would invalidate the signature. */
export function urlOf({ bucket, region, endpoint }: Address, key: string): URL {
  const path = key.split('/').map(escapeUri).join('/')
  if (endpoint !== undefined) return new URL(`/${bucket}/${path}`, endpoint)
  return new URL(`https://${bucket}.s3.${region}.${partition(region).dnsSuffix}/${path}`)
}
