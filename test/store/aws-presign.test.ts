import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { presign } from '../../lambda/store/aws-presign.ts'
import type { Credentials } from '../../lambda/store/aws-signature.ts'
import { type Address, urlOf } from '../../lambda/store/s3/address.ts'
import { openClient } from '../../lambda/store/s3/bucket.ts'

interface Wanted {
  readonly method: 'GET' | 'HEAD'
  readonly address: Address
  readonly key: string
  readonly mediaType: string
  readonly credentials: Credentials
  readonly now: Date
  readonly seconds: number
}

const text = (max: number) => fc.string({ unit: 'binary', minLength: 1, maxLength: max })
const word = fc.stringMatching(/^[A-Za-z0-9]{1,40}$/)
const wanted: fc.Arbitrary<Wanted> = fc.record({
  method: fc.constantFrom('GET', 'HEAD'),
  address: fc.constantFrom<Address>(
    { bucket: 'layers', region: 'eu-central-1' },
    { bucket: 'layers-2', region: 'cn-north-1' },
    { bucket: 'layers', region: 'eu-central-1', endpoint: 'http://127.0.0.1:9000' },
  ),
  key: fc.stringMatching(/^blobs\/[a-zA-Z0-9~!'()*:@ %+_-]{1,30}$/),
  mediaType: text(30),
  credentials: fc.record(
    { accessKeyId: word, secretAccessKey: text(40), sessionToken: text(60) },
    { requiredKeys: ['accessKeyId', 'secretAccessKey'] },
  ),
  now: fc.date({ min: new Date('2020-01-01'), max: new Date('2099-12-31'), noInvalidDate: true }),
  seconds: fc.integer({ min: 1, max: 604_800 }),
})

async function bySdk({ method, address, key, mediaType, credentials, now, seconds }: Wanted): Promise<URL> {
  const client = openClient(address, async () => credentials)
  const input = { Bucket: address.bucket, Key: key, ResponseContentType: mediaType }
  const command = method === 'GET' ? new GetObjectCommand(input) : new HeadObjectCommand(input)
  const url = await getSignedUrl(client, command, { signingDate: now, expiresIn: seconds })
  client.destroy()
  return new URL(url)
}

function byHand({ address, key, mediaType, ...wanted }: Wanted): URL {
  return presign({
    ...wanted,
    url: urlOf(address, key),
    region: address.region,
    query: {
      'response-content-type': mediaType,
      'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD',
      // The SDK also says which of its commands made the link.
      ...(wanted.method === 'GET' && { 'x-id': 'GetObject' }),
    },
    payload: 'UNSIGNED-PAYLOAD',
    service: 's3',
  })
}

const parts = (url: URL) => ({
  where: url.origin + url.pathname,
  query: Object.fromEntries(url.searchParams),
})

describe('a link by hand', () => {
  it("is the SDK's, signature and all", async () => {
    await fc.assert(
      fc.asyncProperty(wanted, async wanted => {
        expect(parts(byHand(wanted))).toEqual(parts(await bySdk(wanted)))
      }),
    )
  })
})
