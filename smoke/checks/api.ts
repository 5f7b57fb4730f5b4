import { digestOf, freshBytes } from '../client.ts'
import { type Check, describeReply, expect, pushSmall } from '../context.ts'

const IMAGE = 'application/vnd.oci.image.manifest.v1+json'

/** Checks of the API: logins, manifests, redirects. */
export const API_CHECKS: readonly Check[] = [
  {
    name: 'the registry responds, with a challenge if a login is required',
    run: async ({ client }) => {
      const reply = await client.request('GET', '/v2/', { anonymous: true })
      const challenge = reply.headers['www-authenticate']
      const isOwnChallenge = challenge?.startsWith(`Bearer realm="${client.origin}/token",service="`)
      expect(
        reply.status === 200 || (reply.status === 401 && isOwnChallenge === true),
        `${describeReply(reply)} ${challenge}`,
      )
      return `${reply.status}${challenge ? ', with a challenge' : ', open'}`
    },
    advice:
      'a 401 without WWW-Authenticate means that a gateway removed the header: no client can log in. Check that requests reach the HTTP API, and not another gateway. If it contains another address, set the setting domain to the one that clients use',
  },
  {
    name: 'a login gets a token, and the token is accepted',
    run: async ({ client, hasLogin }) => {
      if (!hasLogin) return undefined
      const issued = await client.request('GET', `/token?service=${new URL(client.origin).host}`)
      expect(issued.status === 200, describeReply(issued))
      const { token } = JSON.parse(issued.bytes.toString())
      const reply = await client.request('GET', '/v2/', { headers: { authorization: `Bearer ${token}` } })
      expect(reply.status === 200, describeReply(reply))
      return `200, with ${token.length} characters`
    },
    advice:
      'the Authorization header does not reach the API unchanged: the origin request policy of the distribution must be AllViewerExceptHostHeader',
  },
  {
    name: 'HEAD of a manifest returns its true length, and GET its bytes',
    run: async context => {
      const config = freshBytes(100)
      const document = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: IMAGE,
          config: { mediaType: 'application/json', digest: await pushSmall(context, config), size: 100 },
          layers: [],
        }),
      )
      const headers = { 'content-type': IMAGE }
      const url = `${context.path}/manifests/smoke`
      const put = await context.client.request('PUT', url, { headers, body: document })
      expect(put.status === 201, describeReply(put))
      const head = await context.client.request('HEAD', url)
      expect(head.headers['content-length'] === String(document.length), describeReply(head))
      const got = await context.client.request('GET', url)
      expect(got.bytes.equals(document) && got.headers['content-type'] === IMAGE, describeReply(got))
      return `content-length ${document.length}`
    },
    advice:
      'do not use the registry yet: Docker and podman would write wrong sizes into images. The body of HEAD responses in lambda/http/api-gateway.ts does not have the intended effect; report what was observed',
  },
  {
    name: 'HEAD of a blob returns its true length, GET its bytes, and a range its part',
    run: async context => {
      const bytes = freshBytes(1000)
      const url = `${context.path}/blobs/${await pushSmall(context, bytes)}`
      const head = await context.client.request('HEAD', url)
      const ended = await context.client.request('HEAD', head.headers.location ?? '')
      expect(
        head.status === 307 && ended.headers['content-length'] === '1000',
        `${describeReply(head)}; ${describeReply(ended)}`,
      )
      const get = await context.client.request('GET', url)
      const target = get.headers.location ?? ''
      const all = await context.client.request('GET', target)
      const part = await context.client.request('GET', target, { headers: { range: 'bytes=10-19' } })
      expect(all.bytes.equals(bytes), describeReply(all))
      expect(part.status === 206 && part.bytes.equals(bytes.subarray(10, 20)), describeReply(part))
      const edge = target.startsWith('/pull/')
      const digest = all.headers['docker-content-digest']
      expect(!edge || digest === digestOf(bytes), `no Docker-Content-Digest through the edge: ${digest}`)
      return edge ? 'through the edge' : 'from S3'
    },
    advice:
      'with pull=s3: the role that signs may lack s3:GetObject, or access to the KMS key of the bucket; with pull=edge: check the behaviour /pull/* and the bucket policy',
  },
  {
    name: 'a blob that was requested too early is found as soon as it is pushed',
    run: async context => {
      const bytes = freshBytes(1000)
      const url = `${context.path}/blobs/${digestOf(bytes)}`
      const before = await context.client.request('HEAD', url)
      expect(before.status === 404, describeReply(before))
      await pushSmall(context, bytes)
      const after = await context.client.request('HEAD', url)
      expect(after.status === 307, describeReply(after))
      return '404, then 307'
    },
    advice:
      'CloudFront caches error responses, so clients that check before they push do not find what they pushed. Check that the distribution has its custom error responses, with a minimum TTL of 0 (infra/constructs/edge.ts)',
  },
  {
    name: 'a path is decoded once',
    run: async context => {
      const reply = await context.client.request(
        'GET',
        `${context.path.replace('smoke', 'smok%65')}/tags/list`,
      )
      expect(reply.status === 200, describeReply(reply))
      return '200'
    },
    advice:
      'API Gateway passes paths on without decoding them: repositories with escaped letters in their URL are not found. No known client escapes letters',
  },
  {
    name: 'the API rejects requests that did not come through CloudFront',
    run: async ({ client, api }) => {
      if (api === undefined) return undefined
      const reply = await client.request('GET', new URL('/v2/', api).href)
      expect(reply.status === 403, describeReply(reply))
      return '403'
    },
    advice: 'clients can bypass the limits of the edge; check that LONGSHORE_SECRET names the parameter',
  },
]
