import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { StoreBusy } from '../../../lambda/store/blobs.ts'
import { S3Body } from '../../../lambda/store/s3/body.ts'
import { collect } from '../../support/bytes.ts'

describe('the body of an answer of S3', () => {
  it('is told to be busy when its connection is lost in the middle', async () => {
    async function* breaking() {
      yield Buffer.from('half of')
      throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
    }

    await expect(collect(new S3Body(Readable.from(breaking())))).rejects.toBeInstanceOf(StoreBusy)
  })
})
