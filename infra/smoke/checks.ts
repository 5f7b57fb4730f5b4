import { begin, type Check, expect, lacks, pushSmall, putDirectly, tell, withDigest } from './bench.ts'
import { digestOf, freshBytes } from './client.ts'

const MiB = 2 ** 20
const IMAGE = 'application/vnd.oci.image.manifest.v1+json'

/** What the design leans on and no document of AWS says, in the order in which it is best understood. */
export const CHECKS: readonly Check[] = [
  {
    name: 'the registry answers, and says how to log in where that is needed',
    run: async ({ client }) => {
      const answer = await client.ask('GET', '/v2/', { headers: { authorization: '' } })
      const challenge = answer.headers['www-authenticate']
      expect(answer.status === 200 || (answer.status === 401 && challenge !== undefined), tell(answer))
      return `${answer.status}${challenge ? ', with a challenge' : ', open'}`
    },
    otherwise:
      'a 401 without WWW-Authenticate means that a gateway took it off: no client can log in. Look whether requests reach the HTTP API, and not another front door',
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
      expect(put.status === 201, tell(put))
      const head = await bench.client.ask('HEAD', url)
      expect(head.headers['content-length'] === String(document.length), tell(head))
      const got = await bench.client.ask('GET', url)
      expect(got.bytes.equals(document) && got.headers['content-type'] === IMAGE, tell(got))
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
        `${tell(head)}; ${tell(ended)}`,
      )
      const get = await bench.client.ask('GET', url)
      const target = get.headers.location ?? ''
      const all = await bench.client.ask('GET', target)
      const part = await bench.client.ask('GET', target, { headers: { range: 'bytes=10-19' } })
      expect(all.bytes.equals(bytes), tell(all))
      expect(part.status === 206 && part.bytes.equals(bytes.subarray(10, 20)), tell(part))
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
      expect(before.status === 404, tell(before))
      await pushSmall(bench, bytes)
      const after = await bench.client.ask('HEAD', url)
      expect(after.status === 307, tell(after))
      return '404, then 307'
    },
    otherwise:
      'CloudFront keeps refusals, and clients that look before they push are told that nothing has come. Look whether the distribution has its custom error responses, with a minimum TTL of 0 (infra/constructs/edge.ts)',
  },
  {
    name: 'a whole blob goes straight to S3, over HTTP/1.1',
    run: async bench => {
      const bytes = freshBytes(2 * MiB)
      const answer = await putDirectly(bench, bytes)
      const { location = '', 'docker-content-digest': digest } = answer.headers
      expect(answer.status === 201, tell(answer))
      expect(
        location.endsWith(`/blobs/${digestOf(bytes)}`) && digest === digestOf(bytes),
        `${location} ${digest}`,
      )
      expect(!(await lacks(bench, digestOf(bytes))), 'the blob is not there')
      return '201, Location and Docker-Content-Digest'
    },
    otherwise:
      '403 means that the bucket policy or the signature of origin access control refuses the headers that the edge adds; 200 that the viewer-response function did not run. Set relay=on until it is understood: clients that send whole blobs then fail only above 4 MiB',
  },
  {
    name: 'a whole blob goes straight to S3, over HTTP/2',
    run: async bench => {
      const bytes = freshBytes(2 * MiB)
      const target = withDigest(await begin(bench), digestOf(bytes))
      const answer = await bench.client.askByHttp2('PUT', target, bytes)
      if (!answer) return undefined
      if (answer.status === 201) bench.blobs.push(digestOf(bytes))
      expect(answer.status === 201, tell(answer))
      return '201'
    },
    otherwise:
      'the edge function does not see Content-Length over HTTP/2: crane, oras and regctl would go by the API. Take http2 out of httpVersion in infra/constructs/edge.ts',
  },
  {
    name: 'S3 refuses a blob that is not what it says, and nothing can be claimed',
    run: async bench => {
      const [bytes, other] = [freshBytes(2 * MiB), freshBytes(16)]
      const answer = await putDirectly(bench, bytes, digestOf(other))
      const absent = (await lacks(bench, digestOf(other))) && (await lacks(bench, digestOf(bytes)))
      if (!absent) bench.blobs.push(digestOf(bytes))
      expect(
        answer.status === 400 && absent,
        `${tell(answer)}; ${absent ? 'nothing there' : 'a blob is there'}`,
      )
      return '400'
    },
    otherwise:
      'the header x-amz-checksum-sha256 that the edge adds does not reach S3, or is not signed. Nothing is lost: such blobs are read and hashed before they are claimed. But clients are told 201 for wrong bytes, and manifests of large layers are answered 503 with Retry-After until that is done',
  },
  {
    name: 'an upload URL works once',
    run: async bench => {
      const [bytes, other] = [freshBytes(2 * MiB), freshBytes(2 * MiB)]
      const location = await begin(bench)
      const first = await bench.client.ask('PUT', withDigest(location, digestOf(bytes)), { body: bytes })
      expect(first.status === 201, tell(first))
      bench.blobs.push(digestOf(bytes))
      const again = await bench.client.ask('PUT', withDigest(location, digestOf(other)), { body: other })
      expect(again.status >= 400, tell(again))
      return String(again.status)
    },
    otherwise:
      'If-None-Match does not reach S3, and the bucket policy did not notice: whoever may push can write over what was pushed by the same URL. Take the upload road out: remove the s3:PutObject statement of the bucket policy, and set relay=on',
  },
  {
    name: 'an upload URL that was altered is refused',
    run: async bench => {
      const bytes = freshBytes(2 * MiB)
      const location = await begin(bench)
      const answer = await bench.client.ask(
        'PUT',
        withDigest(location.replace(/direct=\d/, 'direct=9'), digestOf(bytes)),
        { body: bytes },
      )
      expect(answer.status === 404, tell(answer))
      return '404'
    },
    otherwise: 'the viewer-request function does not verify signatures: delete the stack',
  },
  {
    name: 'a chunk without a length passes the API, as Docker sends it',
    run: async bench => {
      const bytes = freshBytes(MiB)
      const answer = await bench.client.ask('PATCH', await begin(bench), { body: bytes, chunked: true })
      expect(answer.status === 202 && answer.headers.range === `0-${MiB - 1}`, tell(answer))
      const end = withDigest(answer.headers.location ?? '', digestOf(bytes))
      const done = await bench.client.ask('PUT', end, { body: Buffer.alloc(0) })
      expect(done.status === 201, tell(done))
      bench.blobs.push(digestOf(bytes))
      return '202, then 201'
    },
    otherwise: 'Docker with a graph driver, podman and jib cannot push at all without a relay: set relay=on',
  },
  {
    name: 'a chunk of 4 MiB passes the API',
    run: async bench => {
      if (bench.relay) return undefined
      const bytes = freshBytes(4 * MiB)
      const answer = await bench.client.ask('PATCH', await begin(bench), { body: bytes })
      expect(answer.status === 202, tell(answer))
      return '202'
    },
    otherwise:
      'the limit of API or Lambda is lower than 4 MiB: lower MOST_OF_API in infra/edge/viewer-request.js',
  },
  {
    name: 'what is too large for the API is refused in OCI words',
    run: async bench => {
      if (bench.relay) return undefined
      const answer = await bench.client
        .ask('PATCH', await begin(bench), { body: freshBytes(5 * MiB) })
        .catch(broken)
      if (!answer) return 'the connection was closed before the answer was read, as some networks do'
      expect(answer.status === 413 && answer.bytes.includes('CONTENT_TOO_LARGE'), tell(answer))
      return '413 CONTENT_TOO_LARGE'
    },
    otherwise: 'clients see the words of a gateway instead; harmless, but less clear',
  },
  {
    name: 'a layer in one PATCH goes by the relay',
    run: async bench => {
      if (!bench.relay) return undefined
      const bytes = freshBytes(20 * MiB)
      const answer = await bench.client.ask('PATCH', await begin(bench), { body: bytes, chunked: true })
      expect(answer.status === 202 && answer.headers.range === `0-${20 * MiB - 1}`, tell(answer))
      const done = await bench.client.ask('PUT', withDigest(answer.headers.location ?? '', digestOf(bytes)), {
        body: Buffer.alloc(0),
      })
      expect(done.status === 201, tell(done))
      bench.blobs.push(digestOf(bytes))
      return '20 MiB'
    },
    otherwise:
      '413: the KeyValueStore does not say that there is a relay (look at the custom resource RelaySwitch). 502 or 504: CloudFront does not reach the load balancer; look at relayZones and relayPrefixList',
  },
  {
    name: 'a path is decoded once',
    run: async bench => {
      const answer = await bench.client.ask('GET', `${bench.path.replace('smoke', 'smok%65')}/tags/list`)
      expect(answer.status === 200, tell(answer))
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
      expect(answer.status === 403, tell(answer))
      return '403'
    },
    otherwise: 'limits of the edge can be gone around; look whether LONGSHORE_SECRET names the parameter',
  },
]

const broken = () => undefined
