import { digestOf, freshBytes } from '../client.ts'
import { type Check, describeReply, expect, pushSmall } from '../context.ts'

const IMAGE = 'application/vnd.oci.image.manifest.v1+json'

/** What clients are told: at a login, and of what there is. */
export const API_CHECKS: readonly Check[] = [
  {
    name: 'the registry answers, and says how to log in where that is needed',
    run: async ({ client }) => {
      const answer = await client.ask('GET', '/v2/', { anonymous: true })
      const challenge = answer.headers['www-authenticate']
      const known = challenge?.startsWith(`Bearer realm="${client.origin}/token",service="`)
      expect(
        answer.status === 200 || (answer.status === 401 && known === true),
        `${describeReply(answer)} ${challenge}`,
      )
      return `${answer.status}${challenge ? ', with a challenge' : ', open'}`
    },
    otherwise:
      'a 401 without WWW-Authenticate means that a gateway took it off: no client can log in. Look whether requests reach the HTTP API, and not another front door. With another address in it, set the setting domain to the one that clients use',
  },
  {
    name: 'a login is given a token, which lets in by itself',
    run: async ({ client, hasLogin }) => {
      if (!hasLogin) return undefined
      const given = await client.ask('GET', `/token?service=${new URL(client.origin).host}`)
      expect(given.status === 200, describeReply(given))
      const { token } = JSON.parse(given.bytes.toString())
      const answer = await client.ask('GET', '/v2/', { headers: { authorization: `Bearer ${token}` } })
      expect(answer.status === 200, describeReply(answer))
      return `200, with ${token.length} characters`
    },
    otherwise:
      'Authorization does not reach the API whole: look at the origin request policy of the distribution, which must be AllViewerExceptHostHeader',
  },
  {
    name: 'HEAD of a manifest tells its true length, and GET its bytes',
    run: async bench => {
      const config = freshBytes(100)
      const document = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: IMAGE,
          config: { mediaType: 'application/json', digest: await pushSmall(bench, config), size: 100 },
          layers: [],
        }),
      )
      const headers = { 'content-type': IMAGE }
      const url = `${bench.path}/manifests/smoke`
      const put = await bench.client.ask('PUT', url, { headers, body: document })
      expect(put.status === 201, describeReply(put))
      const head = await bench.client.ask('HEAD', url)
      expect(head.headers['content-length'] === String(document.length), describeReply(head))
      const got = await bench.client.ask('GET', url)
      expect(got.bytes.equals(document) && got.headers['content-type'] === IMAGE, describeReply(got))
      return `content-length ${document.length}`
    },
    otherwise:
      'do not use the registry yet: Docker and podman would write wrong sizes into images. The filler of a HEAD in lambda/http/api-gateway.ts does not have the effect that it should; report what was seen',
  },
  {
    name: 'HEAD of a blob ends at its true length, GET at its bytes, and a range at its part',
    run: async bench => {
      const bytes = freshBytes(1000)
      const url = `${bench.path}/blobs/${await pushSmall(bench, bytes)}`
      const head = await bench.client.ask('HEAD', url)
      const ended = await bench.client.ask('HEAD', head.headers.location ?? '')
      expect(
        head.status === 307 && ended.headers['content-length'] === '1000',
        `${describeReply(head)}; ${describeReply(ended)}`,
      )
      const get = await bench.client.ask('GET', url)
      const target = get.headers.location ?? ''
      const all = await bench.client.ask('GET', target)
      const part = await bench.client.ask('GET', target, { headers: { range: 'bytes=10-19' } })
      expect(all.bytes.equals(bytes), describeReply(all))
      expect(part.status === 206 && part.bytes.equals(bytes.subarray(10, 20)), describeReply(part))
      const edge = target.startsWith('/pull/')
      const digest = all.headers['docker-content-digest']
      expect(!edge || digest === digestOf(bytes), `no Docker-Content-Digest through the edge: ${digest}`)
      return edge ? 'through the edge' : 'from S3'
    },
    otherwise:
      'with pull=s3: the role that signs may lack s3:GetObject, or the bucket a key of KMS; with pull=edge: look at the behaviour /pull/* and at the bucket policy',
  },
  {
    name: 'what is asked for too early is there as soon as it is pushed',
    run: async bench => {
      const bytes = freshBytes(1000)
      const url = `${bench.path}/blobs/${digestOf(bytes)}`
      const before = await bench.client.ask('HEAD', url)
      expect(before.status === 404, describeReply(before))
      await pushSmall(bench, bytes)
      const after = await bench.client.ask('HEAD', url)
      expect(after.status === 307, describeReply(after))
      return '404, then 307'
    },
    otherwise:
      'CloudFront keeps refusals, and clients that look before they push are told that nothing has come. Look whether the distribution has its custom error responses, with a minimum TTL of 0 (infra/constructs/edge.ts)',
  },
  {
    name: 'a path is decoded once',
    run: async bench => {
      const answer = await bench.client.ask('GET', `${bench.path.replace('smoke', 'smok%65')}/tags/list`)
      expect(answer.status === 200, describeReply(answer))
      return '200'
    },
    otherwise:
      'API Gateway hands on paths as they were sent: repositories with escaped letters in their URL are not found. No known client escapes any',
  },
  {
    name: 'the API lets nobody in who does not come by the edge',
    run: async ({ client, api }) => {
      if (api === undefined) return undefined
      const answer = await client.ask('GET', new URL('/v2/', api).href)
      expect(answer.status === 403, describeReply(answer))
      return '403'
    },
    otherwise: 'limits of the edge can be gone around; look whether LONGSHORE_SECRET names the parameter',
  },
]
