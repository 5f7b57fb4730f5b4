import { digestOf, freshBytes } from '../client.ts'
import { beginUpload, brokenConnection, type Check, describeReply, expect, withDigest } from '../context.ts'

const MiB = 2 ** 20

/** Checks of uploads in chunks or in one stream, through the API or the relay. */
export const STREAM_CHECKS: readonly Check[] = [
  {
    name: 'the API accepts a chunk without Content-Length, as Docker sends it',
    run: async bench => {
      const bytes = freshBytes(MiB)
      const answer = await bench.client.ask('PATCH', await beginUpload(bench), { body: bytes, chunked: true })
      expect(answer.status === 202 && answer.headers.range === `0-${MiB - 1}`, describeReply(answer))
      const end = withDigest(answer.headers.location ?? '', digestOf(bytes))
      const done = await bench.client.ask('PUT', end, { body: Buffer.alloc(0) })
      expect(done.status === 201, describeReply(done))
      bench.blobs.push(digestOf(bytes))
      return '202, then 201'
    },
    otherwise: 'Docker with a graph driver, podman and jib cannot push at all without a relay: set relay=on',
  },
  {
    name: 'the API accepts a chunk of 4 MiB',
    run: async bench => {
      if (bench.relay) return undefined
      const bytes = freshBytes(4 * MiB)
      const answer = await bench.client.ask('PATCH', await beginUpload(bench), { body: bytes })
      expect(answer.status === 202, describeReply(answer))
      return '202'
    },
    otherwise:
      'the limit of API or Lambda is lower than 4 MiB: lower MOST_OF_API in infra/edge/viewer-request.js',
  },
  {
    name: 'a body that is too large for the API gets an OCI error document',
    run: async bench => {
      if (bench.relay) return undefined
      const answer = await bench.client
        .ask('PATCH', await beginUpload(bench), { body: freshBytes(5 * MiB) })
        .catch(brokenConnection)
      if (!answer) return 'the connection was closed before the answer was read'
      expect(answer.status === 413 && answer.bytes.includes('CONTENT_TOO_LARGE'), describeReply(answer))
      return '413 CONTENT_TOO_LARGE'
    },
    otherwise: 'clients see the message of a gateway instead; harmless, but less clear',
  },
  {
    name: 'a stream that is too large for the API is refused',
    run: async bench => {
      if (bench.relay) return undefined
      const answer = await bench.client
        .ask('PATCH', await beginUpload(bench), { body: freshBytes(11 * MiB), chunked: true })
        .catch(brokenConnection)
      if (!answer) return 'the connection was closed before the answer was read'
      expect(answer.status === 413, describeReply(answer))
      return `413 ${answer.bytes.toString('utf8', 0, 100)}`
    },
    otherwise:
      'a 2xx: the API accepts more than expected, and MOST_OF_API in infra/edge/viewer-request.js may be raised; a 5xx: Docker, podman and crane retry before they give up. Use another client for large layers, or set relay=on',
  },
  {
    name: 'a layer in one PATCH goes through the relay',
    run: async bench => {
      if (!bench.relay) return undefined
      const bytes = freshBytes(20 * MiB)
      const answer = await bench.client.ask('PATCH', await beginUpload(bench), { body: bytes, chunked: true })
      expect(answer.status === 202 && answer.headers.range === `0-${20 * MiB - 1}`, describeReply(answer))
      const done = await bench.client.ask('PUT', withDigest(answer.headers.location ?? '', digestOf(bytes)), {
        body: Buffer.alloc(0),
      })
      expect(done.status === 201, describeReply(done))
      bench.blobs.push(digestOf(bytes))
      return '20 MiB'
    },
    otherwise:
      '413: the KeyValueStore does not announce the relay (check the custom resource RelaySwitch). 502 or 504: CloudFront does not reach the load balancer; check relayZones and relayPrefixList',
  },
]
