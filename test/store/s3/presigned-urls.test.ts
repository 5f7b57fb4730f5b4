import { expect, it } from 'vitest'
import { StoreBusy } from '../../../lambda/store/blobs.ts'
import { S3Blobs } from '../../../lambda/store/s3/blobs.ts'
import { digestBytes } from '../../support/bytes.ts'

it('gives out no link while there are no credentials to be had, and is busy', async () => {
  const store = new S3Blobs({
    bucket: 'registry',
    region: 'eu-central-1',
    credentials: () => Promise.reject(Object.assign(new Error('none'), { name: 'CredentialsProviderError' })),
  })
  const request = { method: 'GET', digest: digestBytes('sha256', ''), mediaType: 'a/b', seconds: 60 } as const

  await expect(store.presign('object', request)).rejects.toBeInstanceOf(StoreBusy)
})
