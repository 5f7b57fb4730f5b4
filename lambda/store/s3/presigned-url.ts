import { formatUrl } from '@aws-sdk/core/util'
import { S3RequestPresigner } from '@aws-sdk/s3-request-presigner'
import { type Credentials, Sha256 } from '../shared/aws-signing.ts'
import { type Address, urlOf } from './address.ts'

interface ObjectRequest {
  readonly method: 'GET' | 'HEAD'
  readonly key: string
  /** The Content-Type that S3 responds with. */
  readonly mediaType: string
  /** The time of the signature, at which the lifetime begins. */
  readonly now: Date
  /** Lifetime of the URL. S3 accepts a week at most. */
  readonly seconds: number
}

/**
 * Signs URLs of objects (Signature Version 4, in the query). Signing sends no request. The SDK's presigner signs a
 * plain HTTP request, so the S3 client is not loaded; it keeps the derived signing key from one URL to the next.
 */
export class UrlSigner {
  readonly #address: Address
  readonly #presigner: S3RequestPresigner

  /** @param credentials called for every URL: the provider must cache */
  constructor(address: Address, credentials: () => Promise<Credentials>) {
    this.#address = address
    this.#presigner = new S3RequestPresigner({ credentials, region: address.region, sha256: Sha256 })
  }

  async sign({ method, key, mediaType, now, seconds }: ObjectRequest): Promise<string> {
    const { protocol, hostname, port, pathname } = urlOf(this.#address, key)
    const request = {
      method,
      protocol,
      hostname,
      ...(port !== '' && { port: Number(port) }),
      path: pathname,
      headers: {},
      query: { 'response-content-type': mediaType },
    }
    return formatUrl(await this.#presigner.presign(request, { signingDate: now, expiresIn: seconds }))
  }
}
