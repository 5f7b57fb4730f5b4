import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StoreBusy } from '../../../lambda/store/blobs.ts'
import type { Address } from '../../../lambda/store/s3/address.ts'
import { S3Blobs } from '../../../lambda/store/s3/blobs.ts'
import { openClient } from '../../../lambda/store/s3/bucket.ts'
import { UrlSigner } from '../../../lambda/store/s3/presigned-url.ts'
import type { Credentials } from '../../../lambda/store/shared/aws-signing.ts'
import { digestBytes } from '../../support/bytes.ts'

const text = (max: number) => fc.string({ unit: 'binary', minLength: 1, maxLength: max })
const word = fc.stringMatching(/^[A-Za-z0-9]{1,40}$/)
const request = fc.record({
  method: fc.constantFrom('GET' as const, 'HEAD' as const),
  key: fc.stringMatching(/^blobs\/[a-zA-Z0-9~!'()*:@ %+_-]{1,30}$/),
  mediaType: text(30),
  now: fc.date({ min: new Date('2020-01-01'), max: new Date('2099-12-31'), noInvalidDate: true }),
  seconds: fc.integer({ min: 1, max: 604_800 }),
})
const address = fc.constantFrom<Address>(
  { bucket: 'layers', region: 'eu-central-1' },
  { bucket: 'layers-2', region: 'cn-north-1' },
  { bucket: 'layers', region: 'us-gov-west-1' },
  { bucket: 'layers', region: 'eusc-de-east-1' },
  { bucket: 'layers', region: 'eu-central-1', endpoint: 'http://127.0.0.1:9000' },
)
const credentials: fc.Arbitrary<Credentials> = fc.record(
  { accessKeyId: word, secretAccessKey: text(40), sessionToken: text(60) },
  { requiredKeys: ['accessKeyId', 'secretAccessKey'] },
)

type ObjectRequest = Parameters<UrlSigner['sign']>[0]

/**
 * The URL that the SDK's S3 client presigns with its own endpoint rules, without the parameter `x-id`, which only names
 * the command.
 */
async function presignedByClient(
  address: Address,
  credentials: Credentials,
  request: ObjectRequest,
): Promise<URL> {
  const client = openClient(address, async () => credentials)
  const dropCommandName = 'dropCommandName'
  client.middlewareStack.add(
    next => args => {
      const { query } = args.request as { query: Record<string, string> }
      delete query['x-id']
      return next(args)
    },
    { step: 'build', name: dropCommandName },
  )
  const input = { Bucket: address.bucket, Key: request.key, ResponseContentType: request.mediaType }
  const command = request.method === 'GET' ? new GetObjectCommand(input) : new HeadObjectCommand(input)
  const url = await getSignedUrl(client, command, { signingDate: request.now, expiresIn: request.seconds })
  client.destroy()
  return new URL(url)
}

const partsOf = (url: URL) => ({
  resource: url.origin + url.pathname,
  query: Object.fromEntries(url.searchParams),
})

describe('UrlSigner', () => {
  it("signs the same URL as the SDK's S3 client", async () => {
    await fc.assert(
      fc.asyncProperty(address, credentials, request, async (address, credentials, request) => {
        const url = new URL(await new UrlSigner(address, async () => credentials).sign(request))
        expect(partsOf(url)).toEqual(partsOf(await presignedByClient(address, credentials, request)))
      }),
    )
  })

  it.each([
    ['eu-central-1', 'layers.s3.eu-central-1.amazonaws.com'],
    ['cn-north-1', 'layers.s3.cn-north-1.amazonaws.com.cn'],
    ['eusc-de-east-1', 'layers.s3.eusc-de-east-1.amazonaws.eu'],
  ])('uses the host of S3 in the partition of the region: %s', async (region, host) => {
    const keys = { accessKeyId: 'id', secretAccessKey: 'key' }
    const signer = new UrlSigner({ bucket: 'layers', region }, async () => keys)
    const request = { method: 'GET', key: 'blobs/a', mediaType: 'a/b', now: new Date(), seconds: 60 } as const
    expect(new URL(await signer.sign(request)).host).toBe(host)
  })

  it('signs with the current credentials', async () => {
    let accessKeyId = 'old'
    const signer = new UrlSigner({ bucket: 'layers', region: 'eu-central-1' }, async () => ({
      accessKeyId,
      secretAccessKey: 'key',
    }))
    const request = { method: 'GET', key: 'blobs/a', mediaType: 'a/b', now: new Date(), seconds: 60 } as const
    const signedBy = async () => new URL(await signer.sign(request)).searchParams.get('X-Amz-Credential')

    expect(await signedBy()).toMatch(/^old\//)
    accessKeyId = 'new'
    expect(await signedBy()).toMatch(/^new\//)
  })
})

describe('S3Blobs.presign', () => {
  it('throws StoreBusy when no credentials are available', async () => {
    const missing = Object.assign(new Error('none'), { name: 'CredentialsProviderError' })
    const credentials = () => Promise.reject(missing)
    const store = new S3Blobs({ bucket: 'registry', region: 'eu-central-1', credentials })
    const request = {
      method: 'GET',
      digest: digestBytes('sha256', ''),
      mediaType: 'a/b',
      seconds: 60,
    } as const

    await expect(store.presign('object', request)).rejects.toBeInstanceOf(StoreBusy)
  })
})
