import { ListMultipartUploadsCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'
import { S3Blobs } from '../../lambda/store/s3/blobs.ts'
import { Bucket } from '../../lambda/store/s3/bucket.ts'
import type { S3Server } from './s3-server.ts'

/** The error of every call after a simulated crash. */
export class Crashed extends Error {}

/**
 * A store whose process crashes at its `n`-th S3 request. Later requests are not sent.
 * @param isSent whether the `n`-th request is still sent
 */
export function crashingStore({ client, settings }: S3Server, n: number, isSent: boolean): S3Blobs {
  let calls = 0
  const bucket = new Bucket(client, settings.bucket)
  const crashing = new Proxy(bucket, {
    get: (_, name: keyof Bucket) => {
      const method: unknown = bucket[name]
      if (typeof method !== 'function') return method
      return async (...args: unknown[]) => {
        calls++
        if (calls < n) return method.apply(bucket, args)
        if (calls === n && isSent) await method.apply(bucket, args)
        throw new Crashed()
      }
    },
  })
  return new S3Blobs(settings, async () => crashing)
}

/** A store that records the names of its S3 requests. `takeRequests` returns the names since its last call. */
export function recordingStore({ client, settings }: S3Server): {
  store: S3Blobs
  takeRequests: () => string[]
} {
  const requests: string[] = []
  const recorder = 'recorder'
  client.middlewareStack.remove(recorder)
  client.middlewareStack.add(
    (next, context) => args => {
      requests.push(String(context.commandName).replace(/Command$/, ''))
      return next(args)
    },
    { step: 'deserialize', name: recorder },
  )
  const takeRequests = () => requests.splice(0)
  return { store: new S3Blobs(settings, async () => new Bucket(client, settings.bucket)), takeRequests }
}

/** The keys that contain a text: of objects, and of open multipart uploads, which are followed by ` (open)`. */
export async function listKeys(client: S3Client, bucket: string, text: string): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  const keys = [...Contents.map(({ Key = '' }) => Key), ...Uploads.map(({ Key }) => `${Key} (open)`)]
  return keys.filter(key => key.includes(text)).sort()
}
