import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import type { Draft } from '../../lambda/store/blobs.ts'
import { S3Blobs } from '../../lambda/store/s3/blobs.ts'
import { jsonRoundTrip } from '../contracts/blobs-model.ts'
import { bytesOf, collect } from '../support/bytes.ts'
import { describeWith } from '../support/requirements.ts'
import { listKeys } from '../support/s3-bucket.ts'
import { S3Server } from '../support/s3-server.ts'

export const MiB = 2 ** 20
/** The size of a part of a multipart upload. */
export const PART = 8 * MiB

export interface S3Fixture {
  readonly server: S3Server
  /** A new store without caches, as in another process. */
  open(): S3Blobs
  begin(store: S3Blobs): Draft
  /** Appends, and returns the draft after a round trip through JSON, as the table stores it. */
  append(store: S3Blobs, draft: Draft, bytes: string | Uint8Array): Promise<Draft>
  contentOf(object: string): Promise<Buffer>
  /** Keys in the bucket that belong to an object: the object, its parts and tails. */
  remainingKeys(object: string): Promise<string[]>
}

/** A `describe` with an S3 server. It is reported as skipped if versitygw is not built. */
export function describeWithS3(name: string, body: (fixture: S3Fixture) => void): void {
  describeWith({ tools: ['versitygw'] }, name, () => {
    let server: S3Server
    beforeAll(async () => {
      server = await S3Server.start()
    })
    afterAll(() => server?.stop())

    const open = () => new S3Blobs(server.settings)
    body({
      get server() {
        return server
      },
      open,
      begin: store => store.begin(randomUUID(), 'sha256'),
      append: async (store, draft, bytes) => jsonRoundTrip(await store.append(draft, bytesOf(bytes))),
      contentOf: async object => collect(await open().read(object)),
      remainingKeys: object => listKeys(server.client, server.settings.bucket, object),
    })
  })
}
