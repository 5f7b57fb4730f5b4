import { partition } from '@aws-sdk/core/client'
import { escapeUri } from '@smithy/core/protocols'

/** Where a bucket is. */
export interface Address {
  readonly bucket: string
  readonly region: string
  /** Of another server than Amazon's, which is then asked in path style. */
  readonly endpoint?: string | undefined
}

/** URL of an object at the regional host. The global host redirects, and a signature does not survive a redirect. */
export function urlOf({ bucket, region, endpoint }: Address, key: string): URL {
  const path = key.split('/').map(escapeUri).join('/')
  if (endpoint !== undefined) return new URL(`/${bucket}/${path}`, endpoint)
  return new URL(`https://${bucket}.s3.${region}.${partition(region).dnsSuffix}/${path}`)
}
