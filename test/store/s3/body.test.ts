import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { StoreBusy } from '../../../lambda/store/blobs.ts'
import { S3Body } from '../../../lambda/store/s3/body.ts'
import { collect } from '../../support/bytes.ts'

describe('S3Body', () => {
  it('throws StoreBusy when the connection is lost', async () => {
    async function* lostConnection() {
      yield Buffer.from('half of')
      throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
    }

    await expect(collect(new S3Body(Readable.from(lostConnection())))).rejects.toBeInstanceOf(StoreBusy)
  })
})
