import { afterAll, beforeAll } from 'vitest'
import { S3Blobs } from '../../lambda/store/s3-blobs.ts'
import { blobsContract } from '../contracts/blobs.ts'
import { describeWith } from '../support/requirements.ts'
import { S3Server } from '../support/s3-server.ts'

describeWith({ tools: ['versitygw'] }, 'S3Blobs', () => {
  let server: S3Server
  beforeAll(async () => {
    server = await S3Server.start()
  })
  afterAll(() => server?.stop())

  blobsContract(async () => ({
    store: new S3Blobs(server.settings),
    reopen: async () => new S3Blobs(server.settings),
  }))
})
