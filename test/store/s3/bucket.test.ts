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

/** A bucket of a server that always sends this response, or closes the connection. */
async function respondingWith(status: number | 'close', code = '') {
  let requests = 0
  const server = createServer((incoming, outgoing) => {
    requests++
    if (status === 'close') {
      incoming.socket.destroy()
      return
    }
    incoming.resume()
    outgoing.writeHead(status, { 'content-type': 'application/xml' })
    outgoing.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>message</Message></Error>`)
  })
  return { bucket: await connectTo(server), requests: () => requests }
}

async function connectTo(server: Server): Promise<Bucket> {
  servers.push(server.listen(0, '127.0.0.1'))
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const credentials = async () => ({ accessKeyId: 'a', secretAccessKey: 'b' })
  return new Bucket(openClient({ bucket: 'b', region: 'eu-west-1', endpoint }, credentials), 'b')
}

describe('Bucket', () => {
  it.each([
    [503, 'SlowDown'],
    [503, 'ServiceUnavailable'],
    [500, 'InternalError'],
    [400, 'RequestTimeout'],
    ['close', ''],
  ] as const)(
    'makes four attempts at %s %s, and then throws StoreBusy',
    { timeout: 20_000 },
    async (status, code) => {
      const { bucket, requests } = await respondingWith(status, code)

      await expect(bucket.put('a', Buffer.from('x'), 'eA==', false)).rejects.toBeInstanceOf(StoreBusy)
      expect(requests()).toBe(4)
    },
  )

  it('throws StoreBusy while another operation on the object is in progress', async () => {
    const { bucket } = await respondingWith(409, 'OperationAborted')

    await expect(bucket.put('a', Buffer.from('x'), 'eA==', false)).rejects.toBeInstanceOf(StoreBusy)
    await expect(bucket.delete('a')).rejects.toBeInstanceOf(StoreBusy)
  })

  it('detects an error in a response with status 200, which is possible for CompleteMultipartUpload', async () => {
    const { bucket, requests } = await respondingWith(200, 'InternalError')

    await expect(bucket.complete('a', 'upload', [])).rejects.toThrow()
    expect(requests()).toBeGreaterThan(0)
  })

  it.each([
    [403, 'AccessDenied'],
    [400, 'BadDigest'],
    [404, 'NoSuchBucket'],
    [501, 'NotImplemented'],
    [412, 'PreconditionFailed'],
  ])('makes one attempt at %i %s, and rethrows the error', async (status, code) => {
    const { bucket, requests } = await respondingWith(status, code)

    await expect(bucket.put('a', Buffer.from('x'), 'eA==', true)).rejects.toMatchObject({ name: code })
    expect(requests()).toBe(1)
  })

  it('reports a missing object', async () => {
    const { bucket } = await respondingWith(404, 'NoSuchKey')

    await expect(bucket.get('a')).rejects.toBeInstanceOf(ObjectMissing)
    expect(await bucket.head('a')).toBeUndefined()
  })

  it('throws ObjectMissing for a missing multipart upload', async () => {
    const { bucket } = await respondingWith(404, 'NoSuchUpload')
    const part = { number: 1, body: Buffer.from('x'), checksum: 'eA==' }

    await expect(bucket.uploadPart('a', 'upload', part)).rejects.toBeInstanceOf(ObjectMissing)
    await expect(bucket.listParts('a', 'upload', 0)).rejects.toBeInstanceOf(ObjectMissing)
    await expect(bucket.complete('a', 'upload', [])).rejects.toBeInstanceOf(ObjectMissing)
  })

  it('aborts a missing multipart upload without an error', async () => {
    const { bucket } = await respondingWith(404, 'NoSuchUpload')

    await expect(bucket.abort('a', 'upload')).resolves.toBeUndefined()
  })

  it('aborts the request of a part on a signal', async () => {
    const server = createServer()
    const bucket = await connectTo(server)
    const stop = new AbortController()
    const part = { number: 1, body: Buffer.from('x'), checksum: checksumOf(Buffer.from('x')) }
    const sent = bucket.uploadPart('blobs/a', 'upload', part, stop.signal)
    await once(server, 'request')

    stop.abort()

    await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
  })
})
