import { digestOf, freshBytes } from '../client.ts'
import { beginUpload, type Check, describeReply, expect, lostResponse, withDigest } from '../context.ts'

const MiB = 2 ** 20

/** Checks of uploads in chunks or in one stream, through the API or the relay. */
export const STREAM_CHECKS: readonly Check[] = [
  {
    name: 'a body without a signature is refused before the API receives it',
    run: async context => {
      const unsigned = (await beginUpload(context)).replace(/([?&])stream=[^&]*&?/, '$1')
      const reply = await context.client
        .request('PATCH', unsigned, { body: freshBytes(1000) })
        .catch(lostResponse)
      if (!reply) return 'the connection was closed before the response was read'
      expect(reply.status === 404 && reply.bytes.includes('BLOB_UPLOAD_UNKNOWN'), describeReply(reply))
      return '404'
    },
    advice:
      'a stranger can make you pay for bodies. Within a day after the upgrade that introduced signatures, this is expected; later, set the KeyValueStore item unsigned to 0',
  },
  {
    name: 'the API accepts a chunk without Content-Length, as Docker sends it',
    run: async context => {
      const bytes = freshBytes(MiB)
      const reply = await context.client.request('PATCH', await beginUpload(context), {
        body: bytes,
        chunked: true,
      })
      expect(reply.status === 202 && reply.headers.range === `0-${MiB - 1}`, describeReply(reply))
      const end = withDigest(reply.headers.location ?? '', digestOf(bytes))
      const done = await context.client.request('PUT', end, { body: Buffer.alloc(0) })
      expect(done.status === 201, describeReply(done))
      context.blobs.push(digestOf(bytes))
      return '202, then 201'
    },
    advice: 'Docker with a graph driver, podman and jib cannot push without a relay: set relay=auto',
  },
  {
    name: 'the API accepts a chunk of 4 MiB',
    run: async context => {
      if (context.relay) return undefined
      const bytes = freshBytes(4 * MiB)
      const reply = await context.client.request('PATCH', await beginUpload(context), { body: bytes })
      expect(reply.status === 202, describeReply(reply))
      return '202'
    },
    advice:
      'the limit of API Gateway or Lambda is lower than 4 MiB: lower MAX_API_BODY in infra/edge/uploads.js',
  },
  {
    name: 'a body that is too large for the API gets an OCI error document',
    run: async context => {
      if (context.relay) return undefined
      const reply = await context.client
        .request('PATCH', await beginUpload(context), { body: freshBytes(5 * MiB) })
        .catch(lostResponse)
      if (!reply) return 'the connection was closed before the response was read'
      expect(reply.status === 413 && reply.bytes.includes('CONTENT_TOO_LARGE'), describeReply(reply))
      return '413 CONTENT_TOO_LARGE'
    },
    advice: 'clients show the message of API Gateway instead; harmless, but less clear',
  },
  {
    name: 'a stream that is too large for the API is refused',
    run: async context => {
      if (context.relay) return undefined
      const reply = await context.client
        .request('PATCH', await beginUpload(context), { body: freshBytes(11 * MiB), chunked: true })
        .catch(lostResponse)
      if (!reply) return 'the connection was closed before the response was read'
      expect(reply.status === 413, describeReply(reply))
      return `413 ${reply.bytes.toString('utf8', 0, 100)}`
    },
    advice:
      '2xx: the API accepts more than expected, and you can raise MAX_API_BODY in infra/edge/uploads.js. 5xx: Docker, podman and crane retry before they give up; use another client for large layers, or set relay=auto',
  },
  {
    name: 'a layer in one PATCH goes through the relay',
    run: async context => {
      if (!context.relay) return undefined
      const bytes = freshBytes(20 * MiB)
      const reply = await context.client.request('PATCH', await beginUpload(context), {
        body: bytes,
        chunked: true,
      })
      expect(reply.status === 202 && reply.headers.range === `0-${20 * MiB - 1}`, describeReply(reply))
      const done = await context.client.request(
        'PUT',
        withDigest(reply.headers.location ?? '', digestOf(bytes)),
        {
          body: Buffer.alloc(0),
        },
      )
      expect(done.status === 201, describeReply(done))
      context.blobs.push(digestOf(bytes))
      return '20 MiB'
    },
    advice:
      '413: the KeyValueStore does not announce the relay (check the custom resource RelaySwitch). 502 or 504: CloudFront does not reach the load balancer; check relayZones and relayPrefixList',
  },
]
