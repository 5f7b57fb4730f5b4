import { digestOf, freshBytes } from '../client.ts'
import {
  beginUpload,
  type Check,
  describeReply,
  expect,
  isMissing,
  lostResponse,
  putDirectly,
  withDigest,
} from '../context.ts'

const MiB = 2 ** 20

/** How to do without direct uploads: the edge function then sends a large PUT to the relay. */
const TURN_OFF =
  'turn direct uploads off: set the KeyValueStore item direct to off (docs/operations.md), and deploy with a relay'

const CHECKS: readonly Check[] = [
  {
    name: 'a whole blob goes directly to S3, over HTTP/1.1',
    isPrerequisite: true,
    run: async context => {
      const bytes = freshBytes(2 * MiB)
      const reply = await putDirectly(context, bytes)
      const { location = '', 'docker-content-digest': digest } = reply.headers
      expect(reply.status === 201, describeReply(reply))
      expect(
        location.endsWith(`/blobs/${digestOf(bytes)}`) && digest === digestOf(bytes),
        `${location} ${digest}`,
      )
      expect(!(await isMissing(context, digestOf(bytes))), 'the repository does not have the blob')
      return '201, Location and Docker-Content-Digest'
    },
    advice: `403: the bucket policy or the signature of origin access control refuses the headers that the edge adds. 200: the viewer-response function did not run. Clients that send a blob of more than 1 MiB in one PUT cannot push. Until the cause is found, ${TURN_OFF}`,
  },
  {
    name: 'a whole blob goes directly to S3, over HTTP/2',
    run: async context => {
      const bytes = freshBytes(2 * MiB)
      const target = withDigest(await beginUpload(context), digestOf(bytes))
      const reply = await context.client.requestOverHttp2('PUT', target, bytes)
      if (!reply) return undefined
      if (reply.status === 201) context.blobs.push(digestOf(bytes))
      expect(reply.status === 201, describeReply(reply))
      return '201'
    },
    advice:
      'the edge function does not see Content-Length over HTTP/2, so crane, oras and regctl use the API. Remove http2 from httpVersion in infra/constructs/edge.ts',
  },
  {
    name: 'S3 refuses a blob with another digest, and nothing is adopted',
    run: async context => {
      const [bytes, other] = [freshBytes(2 * MiB), freshBytes(16)]
      const reply = await putDirectly(context, bytes, { digest: digestOf(other) })
      const absent =
        (await isMissing(context, digestOf(other))) && (await isMissing(context, digestOf(bytes)))
      if (!absent) context.blobs.push(digestOf(bytes))
      expect(
        reply.status === 400 && absent,
        `${describeReply(reply)}; the repository ${absent ? 'does not have' : 'has'} the blob`,
      )
      return '400'
    },
    advice:
      'the header x-amz-checksum-sha256 that the edge adds does not reach S3, or is not signed. No wrong blob is adopted, because the registry then reads and hashes each object. But clients get 201 for wrong bytes, and until a large layer is hashed, its manifest gets 503 with Retry-After',
  },
  {
    name: 'an upload URL works once',
    run: async context => {
      const [bytes, other] = [freshBytes(2 * MiB), freshBytes(2 * MiB)]
      const location = await beginUpload(context)
      const first = await context.client.request('PUT', withDigest(location, digestOf(bytes)), {
        body: bytes,
      })
      expect(first.status === 201, describeReply(first))
      context.blobs.push(digestOf(bytes))
      const again = await context.client.request('PUT', withDigest(location, digestOf(other)), {
        body: other,
      })
      expect(again.status >= 400, describeReply(again))
      return String(again.status)
    },
    advice: `If-None-Match does not reach S3, and the bucket policy did not require it: a client can overwrite its blob with the same URL. Until the cause is found, ${TURN_OFF}`,
  },
  {
    name: 'an altered upload URL is refused',
    run: async context => {
      const bytes = freshBytes(2 * MiB)
      const altered = (await beginUpload(context)).replace(/direct=\d/, 'direct=9')
      const target = withDigest(altered, digestOf(bytes))
      const reply = await context.client.request('PUT', target, { body: bytes }).catch(lostResponse)
      if (reply) expect(reply.status === 404, describeReply(reply))
      else expect(await isMissing(context, digestOf(bytes)), 'the repository has the blob')
      return reply
        ? '404'
        : 'the connection was closed before the response was read; the repository does not have the blob'
    },
    advice:
      'the viewer-request function does not verify signatures: anyone can write to the bucket. Delete the stack',
  },
  {
    name: 'a large blob goes directly to S3',
    run: async context => {
      const { large } = context
      if (large === undefined) return undefined
      const [bytes, copies] = [freshBytes(MiB), Math.ceil(large * 1024)]
      const reply = await putDirectly(context, bytes, { digest: digestOf(bytes, copies), copies })
      expect(reply.status === 201, describeReply(reply))
      return `${copies} MiB`
    },
    advice:
      'CloudFront accepts smaller bodies than S3: set MAX_BUCKET_BODY in infra/edge/uploads.js to the size that it accepts, and relay=auto for larger layers. 504: S3 did not respond within 120 s',
  },
  {
    name: 'a whole blob without Content-Length does not go to S3',
    run: async context => {
      const bytes = freshBytes(2 * MiB)
      const reply = await putDirectly(context, bytes, { chunked: true })
      expect(reply.status === 201, describeReply(reply))
      return '201, through the API or the relay'
    },
    advice:
      '501: the edge function saw a Content-Length, but S3 did not. Make uploadDirectly in infra/edge/bucket.js refuse requests with both headers. Known clients send the length',
  },
]

/** Checks of direct uploads, which CloudFront passes to S3. They apply to a deployment that has direct uploads. */
export const DIRECT_UPLOAD_CHECKS: readonly Check[] = CHECKS.map(check => ({
  ...check,
  run: async context => (context.directUploads ? check.run(context) : undefined),
}))
