import { digestOf, freshBytes } from '../client.ts'
import {
  beginUpload,
  brokenConnection,
  type Check,
  describeReply,
  expect,
  isMissing,
  putDirectly,
  withDigest,
} from '../context.ts'

const MiB = 2 ** 20

/** Checks of direct uploads, which CloudFront passes to S3. */
export const DIRECT_UPLOAD_CHECKS: readonly Check[] = [
  {
    name: 'a whole blob goes directly to S3, over HTTP/1.1',
    run: async bench => {
      const bytes = freshBytes(2 * MiB)
      const answer = await putDirectly(bench, bytes)
      const { location = '', 'docker-content-digest': digest } = answer.headers
      expect(answer.status === 201, describeReply(answer))
      expect(
        location.endsWith(`/blobs/${digestOf(bytes)}`) && digest === digestOf(bytes),
        `${location} ${digest}`,
      )
      expect(!(await isMissing(bench, digestOf(bytes))), 'the blob is not there')
      return '201, Location and Docker-Content-Digest'
    },
    otherwise:
      '403 means that the bucket policy or the signature of origin access control refuses the headers that the edge adds; 200 means that the viewer-response function did not run. Set relay=on until this is understood: clients that send whole blobs then fail only above 4 MiB',
  },
  {
    name: 'a whole blob goes directly to S3, over HTTP/2',
    run: async bench => {
      const bytes = freshBytes(2 * MiB)
      const target = withDigest(await beginUpload(bench), digestOf(bytes))
      const answer = await bench.client.askByHttp2('PUT', target, bytes)
      if (!answer) return undefined
      if (answer.status === 201) bench.blobs.push(digestOf(bytes))
      expect(answer.status === 201, describeReply(answer))
      return '201'
    },
    otherwise:
      'the edge function does not see Content-Length over HTTP/2: crane, oras and regctl would use the API. Remove http2 from httpVersion in infra/constructs/edge.ts',
  },
  {
    name: 'S3 refuses a blob with another digest, and nothing is adopted',
    run: async bench => {
      const [bytes, other] = [freshBytes(2 * MiB), freshBytes(16)]
      const answer = await putDirectly(bench, bytes, { digest: digestOf(other) })
      const absent = (await isMissing(bench, digestOf(other))) && (await isMissing(bench, digestOf(bytes)))
      if (!absent) bench.blobs.push(digestOf(bytes))
      expect(
        answer.status === 400 && absent,
        `${describeReply(answer)}; ${absent ? 'nothing there' : 'a blob is there'}`,
      )
      return '400'
    },
    otherwise:
      'the header x-amz-checksum-sha256 that the edge adds does not reach S3, or is not signed. Nothing is lost: such blobs are read and hashed before they are adopted. But clients get 201 for wrong bytes, and manifests of large layers get 503 with Retry-After until that is done',
  },
  {
    name: 'an upload URL works once',
    run: async bench => {
      const [bytes, other] = [freshBytes(2 * MiB), freshBytes(2 * MiB)]
      const location = await beginUpload(bench)
      const first = await bench.client.ask('PUT', withDigest(location, digestOf(bytes)), { body: bytes })
      expect(first.status === 201, describeReply(first))
      bench.blobs.push(digestOf(bytes))
      const again = await bench.client.ask('PUT', withDigest(location, digestOf(other)), { body: other })
      expect(again.status >= 400, describeReply(again))
      return String(again.status)
    },
    otherwise:
      'If-None-Match does not reach S3, and the bucket policy did not require it: a client can overwrite what it pushed with the same URL. Turn direct uploads off: remove the s3:PutObject statement of the bucket policy, and set relay=on',
  },
  {
    name: 'an altered upload URL is refused',
    run: async bench => {
      const bytes = freshBytes(2 * MiB)
      const altered = (await beginUpload(bench)).replace(/direct=\d/, 'direct=9')
      const target = withDigest(altered, digestOf(bytes))
      const answer = await bench.client.ask('PUT', target, { body: bytes }).catch(brokenConnection)
      if (answer) expect(answer.status === 404, describeReply(answer))
      else expect(await isMissing(bench, digestOf(bytes)), 'the blob is there')
      return answer ? '404' : 'the connection was closed before the answer was read, and nothing is there'
    },
    otherwise: 'the viewer-request function does not verify signatures: delete the stack',
  },
  {
    name: 'a large blob goes directly to S3',
    run: async bench => {
      const { large } = bench
      if (large === undefined) return undefined
      const [bytes, copies] = [freshBytes(MiB), Math.ceil(large * 1024)]
      const answer = await putDirectly(bench, bytes, { digest: digestOf(bytes, copies), copies })
      expect(answer.status === 201, describeReply(answer))
      return `${copies} MiB`
    },
    otherwise:
      "CloudFront takes less than S3 does: set MOST_OF_BUCKET in infra/edge/viewer-request.js to what it takes, and relay=on for what is larger. 504: S3 took longer than the origin's 120 s to answer",
  },
  {
    name: 'a whole blob without Content-Length does not go to S3',
    run: async bench => {
      const bytes = freshBytes(2 * MiB)
      const answer = await putDirectly(bench, bytes, { chunked: true })
      expect(answer.status === 201, describeReply(answer))
      return '201, by API or relay'
    },
    otherwise:
      '501: CloudFront gave the body a length for the edge function but not for S3. Let uploadDirectly in infra/edge/viewer-request.js refuse requests with both headers. Known clients send the length',
  },
]
