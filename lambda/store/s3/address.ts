import { encode } from '../aws-presign.ts'

/** Where a bucket is. */
export interface Address {
  readonly bucket: string
  readonly region: string
  /** Of another server than Amazon's, which is then asked in path style. */
  readonly endpoint?: string | undefined
}

/** By the region's own host: the global one redirects, and nothing that was signed survives that. */
export function urlOf({ bucket, region, endpoint }: Address, key: string): URL {
  const path = key.split('/').map(encode).join('/')
  if (endpoint !== undefined) return new URL(`/${bucket}/${path}`, endpoint)
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  return new URL(`https://${bucket}.s3.${region}.${domain}/${path}`)
}
