import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { S3Blobs } from '../../lambda/store/s3/blobs.ts'
import { bytesOf, digestBytes, patternBytes } from '../support/bytes.ts'
import { recordingStore } from '../support/s3-bucket.ts'
import { describeWithS3, PART } from './s3-blobs-fixture.ts'

describeWithS3('S3Blobs', fixture => {
  const { begin, append } = fixture

  describe('requests', () => {
    it('are one for a complete blob', async () => {
      const { store, takeRequests } = recordingStore(fixture.server)
      const draft = await store.append(begin(store), bytesOf('small'), digestBytes('sha256', 'small'))
      await store.digest(draft, 'sha256')
      await store.commit(draft)

      expect(takeRequests()).toEqual(['PutObject'])
    })

    it('are four for a small blob that is appended before the commit', async () => {
      const { store, takeRequests } = recordingStore(fixture.server)
      const draft = await append(store, begin(store), 'small')
      expect(takeRequests()).toEqual(['PutObject'])
      await store.digest(draft, 'sha256')
      await store.commit(draft)

      expect(takeRequests()).toEqual(['GetObject', 'PutObject', 'DeleteObject'])
    })

    it.each([1, 6])('of a commit are the same for %i parts, without a copy', async parts => {
      const { store, takeRequests } = recordingStore(fixture.server)
      const draft = await append(store, begin(store), patternBytes(parts * PART + 1))
      expect(takeRequests().sort()).toEqual(
        ['CreateMultipartUpload', 'PutObject', ...Array(parts).fill('UploadPart')].sort(),
      )
      await store.digest(draft, 'sha256')
      await store.commit(draft)

      const commit = ['GetObject', 'UploadPart', 'ListParts', 'CompleteMultipartUpload', 'DeleteObject']
      expect(takeRequests()).toEqual(commit)
    })

    it('are two for the commit of a stream whose digest is known', async () => {
      const { store, takeRequests } = recordingStore(fixture.server)
      const whole = patternBytes(2 * PART + 1)
      const draft = await store.append(begin(store), bytesOf(whole), digestBytes('sha256', whole))
      expect(takeRequests().sort()).toEqual([
        'CreateMultipartUpload',
        'UploadPart',
        'UploadPart',
        'UploadPart',
      ])
      await store.commit(draft)

      expect(takeRequests()).toEqual(['ListParts', 'CompleteMultipartUpload'])
    })

    it('are one for a read, a stat and a delete, and none for a presigned URL', async () => {
      const { store, takeRequests } = recordingStore(fixture.server)
      const object = randomUUID()
      await store.read(object).catch(() => {})
      await store.stat(object)
      await store.delete(object)
      await store.presign(object, {
        method: 'GET',
        digest: digestBytes('sha256', ''),
        mediaType: 'a/b',
        seconds: 1,
      })

      expect(takeRequests()).toEqual(['GetObject', 'HeadObject', 'DeleteObject'])
    })

    it('load no client for a presigned URL', async () => {
      const store = new S3Blobs(fixture.server.settings, () =>
        Promise.reject(new Error('the client was loaded')),
      )

      expect(
        await store.presign('a', {
          method: 'GET',
          digest: digestBytes('sha256', ''),
          mediaType: 'a/b',
          seconds: 1,
        }),
      ).toMatch(/^http/)
    })
  })
})
