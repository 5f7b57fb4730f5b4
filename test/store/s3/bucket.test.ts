import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { ObjectMissing, StoreBusy } from '../../../lambda/store/blobs.ts'
import { Bucket, openClient } from '../../../lambda/store/s3/bucket.ts'
import { checksumOf } from '../../../lambda/store/s3/draft-state.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

/** A bucket of a server that always gives this answer, or none. */
async function answering(status: number | 'nothing', code = '', headers = {}) {
  let requests = 0
  const server = createServer((incoming, outgoing) => {
    requests++
    if (status === 'nothing') {
      incoming.socket.destroy()
      return
    }
    incoming.resume()
    outgoing.writeHead(status, { 'content-type': 'application/xml', ...headers })
    outgoing.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>said</Message></Error>`)
  }).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const credentials = async () => ({ accessKeyId: 'a', secretAccessKey: 'b' })
  const client = openClient({ bucket: 'b', region: 'eu-west-1', endpoint }, credentials)
  return { bucket: new Bucket(client, 'b'), requests: () => requests }
}

describe('a bucket', () => {
  it.each([
    [503, 'SlowDown'],
    [503, 'ServiceUnavailable'],
    [500, 'InternalError'],
    [400, 'RequestTimeout'],
    ['nothing', ''],
  ] as const)(
    'asks again a few times at %s %s, and then is busy',
    { timeout: 20_000 },
    async (status, code) => {
      const { bucket, requests } = await answering(status, code)

      await expect(bucket.put('a', Buffer.from('x'), 'eA==', false)).rejects.toBeInstanceOf(StoreBusy)
      expect(requests()).toBe(4)
    },
  )

  it('is busy where another operation on the object is under way', async () => {
    const { bucket } = await answering(409, 'OperationAborted')

    await expect(bucket.put('a', Buffer.from('x'), 'eA==', false)).rejects.toBeInstanceOf(StoreBusy)
    await expect(bucket.delete('a')).rejects.toBeInstanceOf(StoreBusy)
  })

  it('takes an error for one that comes behind a 200, as it may when parts are put together', async () => {
    const { bucket, requests } = await answering(200, 'InternalError')

    await expect(bucket.complete('a', 'upload', [])).rejects.toThrow()
    expect(requests()).toBeGreaterThan(0)
  })

  it.each([
    [403, 'AccessDenied'],
    [400, 'BadDigest'],
    [404, 'NoSuchBucket'],
    [501, 'NotImplemented'],
    [412, 'PreconditionFailed'],
  ])('asks once at %i %s, and lets the error pass as it is', async (status, code) => {
    const { bucket, requests } = await answering(status, code)

    await expect(bucket.put('a', Buffer.from('x'), 'eA==', true)).rejects.toMatchObject({ name: code })
    expect(requests()).toBe(1)
  })

  it('says that an object is missing', async () => {
    const { bucket } = await answering(404, 'NoSuchKey')

    await expect(bucket.get('a')).rejects.toBeInstanceOf(ObjectMissing)
    expect(await bucket.head('a')).toBeUndefined()
  })

  it('says that a multipart upload is missing', async () => {
    const { bucket } = await answering(404, 'NoSuchUpload')
    const part = { number: 1, body: Buffer.from('x'), checksum: 'eA==' }

    await expect(bucket.uploadPart('a', 'upload', part)).rejects.toBeInstanceOf(ObjectMissing)
    await expect(bucket.listParts('a', 'upload', 0)).rejects.toBeInstanceOf(ObjectMissing)
    await expect(bucket.complete('a', 'upload', [])).rejects.toBeInstanceOf(ObjectMissing)
  })

  it('aborts what is not there', async () => {
    const { bucket } = await answering(404, 'NoSuchUpload')

    await expect(bucket.abort('a', 'upload')).resolves.toBeUndefined()
  })
})

it('gives up a part for which nobody waits any more', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const credentials = async () => ({ accessKeyId: 'a', secretAccessKey: 'b' })
  const bucket = new Bucket(openClient({ bucket: 'b', region: 'eu-west-1', endpoint }, credentials), 'b')
  const stop = new AbortController()
  const part = { number: 1, body: Buffer.from('x'), checksum: checksumOf(Buffer.from('x')) }
  const sent = bucket.uploadPart('blobs/a', 'upload', part, stop.signal)
  await once(server, 'request')
  stop.abort()
  await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
})
