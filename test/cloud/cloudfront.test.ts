import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  request,
  type Server,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CloudFrontSigner } from '../../lambda/aws/signed-urls.ts'
import { parseDigest } from '../../lambda/protocol/digest.ts'
import { parseRepositoryName } from '../../lambda/protocol/name.ts'
import { parseUploadId } from '../../lambda/protocol/reference.ts'
import { CloudFront, type Distribution } from './emulator/cloudfront.ts'

const MiB = 2 ** 20
const KEY = 'k'.repeat(43)
const ID = '00000000-0000-4000-8000-000000000000'
const DIGEST = parseDigest(`sha256:${'ab'.repeat(32)}`)
const IN_A_MINUTE = Math.floor(Date.now() / 1000) + 60
const signer = new CloudFrontSigner(KEY)
const ADDRESS = { upload: parseUploadId(ID), name: parseRepositoryName('app') }
const SESSION = `/v2/app/blobs/uploads/${ID}?${signer.streamQuery(ADDRESS, IN_A_MINUTE)}`
const UPLOAD = `${SESSION}&${signer.directQuery(ADDRESS, IN_A_MINUTE)}&digest=${DIGEST}`
const PULL = signer.pullPath(DIGEST, `blobs/${ID}`, IN_A_MINUTE)

interface ReceivedRequest {
  readonly origin: string
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** With the two functions of `infra/edge/`, and origins that record requests. */
describe('the emulated CloudFront', () => {
  let servers: Server[]
  let cloudfront: CloudFront
  let received: ReceivedRequest[]
  /** Replaces the origins' listener, which reads the body and responds with 200. */
  let listener: RequestListener | undefined

  const origin = async (name: string): Promise<number> => {
    const server = createServer(async (incoming, response) => {
      if (listener) return listener(incoming, response)
      const { method, url, headers } = incoming
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk)
      received.push({ origin: name, method, url, headers, body: Buffer.concat(chunks).toString('latin1') })
      response.end()
    })
    servers.push(server.listen(0, '127.0.0.1'))
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const start = async (different: Partial<Distribution> = {}) => {
    cloudfront = await CloudFront.start({
      ports: { api: await origin('api'), bucket: await origin('bucket'), relay: await origin('relay') },
      items: { keys: KEY, relay: 'on' },
      header: 'the secret of the edge',
      ...{
        bucket: 'registry',
        hasPullBehavior: true,
        region: 'eu-central-1',
        viewerResponseRequest: 'viewer',
        droppedHeaders: [],
      },
      credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
      ...different,
    })
  }
  beforeEach(async () => {
    servers = []
    received = []
    listener = undefined
    await start()
  })
  afterEach(() => {
    cloudfront.stop()
    for (const server of servers) {
      server.close()
      server.closeAllConnections()
    }
  })

  const open = (method: string, path: string, headers: Record<string, string> = {}) =>
    request({ host: '127.0.0.1', port: cloudfront.port, method, path, headers, agent: false })
  const send = async (
    method: string,
    path: string,
    { headers = {}, body }: { headers?: Record<string, string>; body?: Buffer } = {},
  ) => {
    const sent = open(method, path, { ...headers, ...(body && { 'content-length': `${body.length}` }) })
    // The response of the edge can arrive while the body is being sent.
    sent.on('error', () => {})
    sent.end(body)
    const [reply] = (await once(sent, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of reply) chunks.push(chunk)
    return {
      status: reply.statusCode,
      headers: reply.headers,
      text: Buffer.concat(chunks).toString(),
    }
  }
  const sendAndRecord = async (...request: Parameters<typeof send>) => {
    await send(...request)
    const [one] = received
    if (!one) throw new Error('no origin received a request')
    return one
  }

  it.each([
    ['a manifest is requested from the API', 'GET', '/v2/app/manifests/v1', 0, 'api', '/v2/app/manifests/v1'],
    ['a chunk goes to the API', 'PATCH', SESSION, 10, 'api', SESSION],
    ['a layer in one PATCH goes to the relay', 'PATCH', SESSION, 5 * MiB, 'relay', SESSION],
    ['a whole blob goes to the bucket', 'PUT', UPLOAD, 2 * MiB, 'bucket', `/registry/direct/${ID}/app`],
    ['a blob is fetched from the bucket', 'GET', PULL, 0, 'bucket', `/registry/blobs/${ID}`],
  ])('%s', async (_, method, path, size, name, url) => {
    const one = await sendAndRecord(method, path, size ? { body: Buffer.alloc(size) } : {})

    expect(one).toMatchObject({ origin: name, method, url })
    expect(one.body).toHaveLength(size)
  })

  describe('sends to API and relay', () => {
    it('the edge header, in place of one from the viewer', async () => {
      const { headers } = await sendAndRecord('GET', '/v2/', { headers: { 'X-Longshore-Edge': 'guess' } })

      expect(headers['x-longshore-edge']).toBe('the secret of the edge')
    })

    it('the headers of the viewer without Host and hop-by-hop headers', async () => {
      const sentHeaders = {
        ...{
          accept: 'a/b',
          authorization: 'Basic eA==',
          'user-agent': 'crane/1',
          cookie: 'a=1',
          te: 'trailers',
        },
        ...{ 'keep-alive': '9', expect: '100-continue', 'content-range': '0-9', 'proxy-connection': 'close' },
      }
      const { headers } = await sendAndRecord('GET', '/v2/', {
        headers: { ...sentHeaders, host: 'registry.example' },
      })

      expect(headers).toMatchObject({
        ...{ accept: 'a/b', authorization: 'Basic eA==', 'user-agent': 'crane/1', cookie: 'a=1' },
        'content-range': '0-9',
      })
      expect(headers.host).toMatch(/^127\.0\.0\.1:\d+$/)
      for (const name of ['te', 'keep-alive', 'expect', 'proxy-connection'])
        expect(headers).not.toHaveProperty(name)
    })

    it('the address of the viewer, after those that the viewer sent', async () => {
      const { headers } = await sendAndRecord('GET', '/v2/', { headers: { 'x-forwarded-for': '192.0.2.1' } })

      expect(headers['x-forwarded-for']).toBe('192.0.2.1, 127.0.0.1')
    })

    it('the length of a body, if the viewer sent one', async () => {
      const { headers } = await sendAndRecord('PATCH', SESSION, { body: Buffer.from('bytes') })
      expect([headers['content-length'], headers['transfer-encoding']]).toEqual(['5', undefined])
      received = []

      const chunked = open('PATCH', SESSION, { 'transfer-encoding': 'chunked' })
      chunked.write('by')
      chunked.end('tes')
      await once(chunked, 'response')
      const [other] = received
      expect([other?.headers['content-length'], other?.headers['transfer-encoding']]).toEqual([
        undefined,
        'chunked',
      ])
      expect(other?.body).toBe('bytes')
    })
  })

  describe('signs for the bucket', () => {
    it('in place of the viewer, with the headers that the edge added and without the body', async () => {
      const { headers } = await sendAndRecord('PUT', UPLOAD, {
        headers: { authorization: 'Basic eA==', 'x-amz-acl': 'public-read', cookie: 'a=1' },
        body: Buffer.alloc(2 * MiB),
      })

      expect(headers.authorization).toMatch(
        /^AWS4-HMAC-SHA256 Credential=id\/\d{8}\/eu-central-1\/s3\/aws4_request, SignedHeaders=host;x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date, /,
      )
      expect(headers).toMatchObject({
        'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
        'x-amz-checksum-sha256': Buffer.from('ab'.repeat(32), 'hex').toString('base64'),
        'if-none-match': '*',
        'content-length': String(2 * MiB),
      })
      for (const name of ['x-amz-acl', 'cookie', 'x-longshore-edge']) expect(headers).not.toHaveProperty(name)
    })
  })

  describe('streams', () => {
    it.each([
      ['the API', '/v2/app/manifests/v1', 100],
      ['the relay', `${SESSION}&digest=${DIGEST}`, 2 * MiB],
      ['the bucket', UPLOAD, 2 * MiB],
    ])('a body to %s before its last byte is sent', async (_, path, size) => {
      const first = Promise.withResolvers<void>()
      const whole = Promise.withResolvers<number>()
      listener = async (incoming, response) => {
        let received = 0
        for await (const chunk of incoming) {
          received += chunk.length
          first.resolve()
        }
        whole.resolve(received)
        response.end()
      }
      const sent = open('PUT', path, { 'content-length': String(size) })
      sent.write(Buffer.alloc(10))
      await first.promise
      sent.end(Buffer.alloc(size - 10))

      expect(await whole.promise).toBe(size)
      await once(sent, 'response')
    })

    it('a response before its last byte has come', async () => {
      const read = Promise.withResolvers<void>()
      listener = async (_, response) => {
        response.writeHead(200, { 'content-length': '2' }).write('a')
        await read.promise
        response.end('b')
      }
      const sent = open('GET', PULL)
      sent.end()
      const [reply] = (await once(sent, 'response')) as [IncomingMessage]
      const [first] = await once(reply, 'data')
      read.resolve()

      expect(first.toString()).toBe('a')
      await once(reply.resume(), 'end')
    })

    it('nothing after the viewer has closed the connection', async () => {
      const gone = Promise.withResolvers<boolean>()
      listener = incoming => {
        incoming.resume().on('error', () => {})
        incoming.once('close', () => gone.resolve(incoming.complete))
      }
      const sent = open('PUT', UPLOAD, { 'content-length': String(2 * MiB) })
      sent.on('error', () => {})
      sent.write('some', () => setTimeout(() => sent.destroy(), 50))

      expect(await gone.promise).toBe(false)
    })
  })

  describe('calls the viewer-response function', () => {
    it.each([200, 206, 304])('for a response of %i', async status => {
      listener = (_, response) => response.writeHead(status).end()

      expect((await send('GET', PULL)).headers['docker-content-digest']).toBe(DIGEST)
    })

    it.each([400, 403, 412, 503])('not for a response of %i, which stays as it is', async status => {
      listener = (_, response) => response.writeHead(status, { server: 'AmazonS3' }).end('<Error/>')
      const reply = await send('GET', PULL)

      expect([reply.status, reply.text, reply.headers.server]).toEqual([status, '<Error/>', 'AmazonS3'])
      expect(reply.headers).not.toHaveProperty('docker-content-digest')
    })
  })

  describe('with cached error responses', () => {
    const startWithError = async (statusCode: number, seconds: number) => {
      cloudfront.stop()
      await start({ errorCacheSeconds: seconds })
      listener = ({ url = '' }, response) => {
        received.push({ origin: 'api', method: 'GET', url, headers: {}, body: '' })
        response.writeHead(statusCode, { 'x-origin': 'api' })
        response.end('no such thing')
      }
    }

    it.each([404, 503])('repeats a cached %i for every client and query', async status => {
      await startWithError(status, 10)
      await send('GET', '/v2/app/manifests/v1', { headers: { authorization: 'Basic mine' } })
      const again = await send('GET', '/v2/app/manifests/v1?ns=registry')

      expect(again).toMatchObject({ status, text: 'no such thing', headers: { 'x-origin': 'api' } })
      expect(received).toHaveLength(1)
    })

    it.each<[string, number, number, string]>([
      ['where the time is 0', 404, 0, 'GET'],
      ['of a 401', 401, 10, 'GET'],
      ['of a DELETE', 404, 10, 'DELETE'],
    ])('caches nothing %s', async (_, status, seconds, method) => {
      await startWithError(status, seconds)
      await send(method, '/v2/app/manifests/v1')
      await send(method, '/v2/app/manifests/v1')

      expect(received).toHaveLength(2)
    })
  })

  describe('refuses', () => {
    it.each([
      ['a URL of more than 8,192 bytes', 'GET', `/${'x'.repeat(8_192)}`, {}, 414],
      ['headers of more than 20,480 bytes', 'GET', '/v2/', { a: 'x'.repeat(20_480) }, 494],
      [
        'both, if they are too long together',
        'GET',
        `/v2/${'x'.repeat(8_000)}`,
        { a: 'x'.repeat(13_000) },
        494,
      ],
      ['an unknown method', 'PURGE', '/v2/', {}, 403],
      ['to write under /pull/', 'PUT', PULL, {}, 403],
    ])('%s', async (_, method, path, headers, status) => {
      expect((await send(method, path, { headers })).status).toBe(status)
      expect(received).toEqual([])
    })

    it('with 502 a request to which the origin does not respond', async () => {
      listener = incoming => incoming.socket.destroy()

      expect((await send('GET', '/v2/')).status).toBe(502)
    })

    it('with 504, after a time, a request to an origin that is unreachable', async () => {
      cloudfront.stop()
      await start({ isReachable: name => name !== 'relay', connectionTimeoutMs: 50 })

      expect((await send('PATCH', SESSION, { body: Buffer.alloc(5 * MiB) })).status).toBe(504)
      expect((await send('GET', '/v2/')).status).toBe(200)
    })
  })

  it('has no behavior for /pull/* with pull=s3', async () => {
    cloudfront.stop()
    await start({ hasPullBehavior: false })

    expect(await send('PUT', PULL)).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
  })

  it('sends the response of the edge, and no request to an origin', async () => {
    cloudfront.stop()
    await start({ items: { keys: KEY, relay: 'auto' } })

    const { status, headers } = await send('PATCH', SESSION, { body: Buffer.alloc(5 * MiB) })

    expect([status, headers.location]).toEqual([303, `${SESSION}&wake=1`])
    expect(received).toEqual([])
  })

  it('counts bytes, also of broken connections', async () => {
    await send('PATCH', SESSION, { body: Buffer.alloc(5) })
    listener = (_, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('abc', () => response.destroy())
    }
    await send('GET', PULL).catch(() => {})

    await expect
      .poll(() => cloudfront.requests)
      .toMatchObject([
        { origin: 'api', method: 'PATCH', bytesIn: 5, bytesOut: 0, status: 200 },
        { origin: 'bucket', method: 'GET', bytesIn: 0, bytesOut: 3, status: 200 },
      ])
  })
})
