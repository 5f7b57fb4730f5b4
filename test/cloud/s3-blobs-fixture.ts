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
  /** A store with no memory of what other stores did, as another process has it. */
  open(): S3Blobs
  begin(store: S3Blobs): Draft
  /** Appends, and returns the draft as a row of the table keeps it. */
  append(store: S3Blobs, draft: Draft, bytes: string | Uint8Array): Promise<Draft>
  contentOf(object: string): Promise<Buffer>
  /** What is in the bucket for an object: itself, parts and tails. */
  left(object: string): Promise<string[]>
}

/** A `describe` with an S3 server. It skips visibly where versitygw is not built. */
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
      left: object => listKeys(server.client, server.settings.bucket, object),
    })
  })
}
