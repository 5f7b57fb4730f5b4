import { ListMultipartUploadsCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'
import { S3Blobs } from '../../lambda/store/s3/blobs.ts'
import { Bucket } from '../../lambda/store/s3/bucket.ts'
import type { S3Server } from './s3-server.ts'

/** What a process says that was ended in the middle. */
export class Died extends Error {}

/** A store whose process dies at its `n`-th request, which may or may not still be done; every later one is in vain. */
export function dyingStore({ client, settings }: S3Server, n: number, done: boolean): S3Blobs {
  let calls = 0
  const bucket = new Bucket(client, settings.bucket)
  const dying = new Proxy(bucket, {
    get: (_, name: keyof Bucket) => {
      const method: unknown = bucket[name]
      if (typeof method !== 'function') return method
      return async (...args: unknown[]) => {
        calls++
        if (calls < n) return method.apply(bucket, args)
        if (calls === n && done) await method.apply(bucket, args)
        throw new Died()
      }
    },
  })
  return new S3Blobs(settings, async () => dying)
}

/** A store that writes down what it asks S3 for, in S3's words. */
export function countedStore({ client, settings }: S3Server): { store: S3Blobs; taken: () => string[] } {
  let asked: string[] = []
  const recorder = 'recorder'
  client.middlewareStack.remove(recorder)
  client.middlewareStack.add(
    (next, context) => args => {
      asked.push(String(context.commandName).replace(/Command$/, ''))
      return next(args)
    },
    { step: 'deserialize', name: recorder },
  )
  const taken = () => {
    const taken = asked
    asked = []
    return taken
  }
  return { store: new S3Blobs(settings, async () => new Bucket(client, settings.bucket)), taken }
}

/** Everything in the bucket whose key has this in it: objects, and multipart uploads with ` (open)` behind their key. */
export async function leftOf(client: S3Client, bucket: string, name: string): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  const keys = [...Contents.map(({ Key = '' }) => Key), ...Uploads.map(({ Key }) => `${Key} (open)`)]
  return keys.filter(key => key.includes(name)).sort()
}
